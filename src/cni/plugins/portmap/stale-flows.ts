/**
 * UDP flows that would go on past a change of what is published: the kernel translates by the first packet of a flow, and one that somebody
 * keeps sending on never ends.
 */
import { deleteFlow, type Flow, listFlows } from '../../../host/netlink/conntrack.ts';
import { AF_INET, AF_INET6 } from '../../../host/netlink/inet.ts';
import type { NetlinkSocket } from '../../../host/netlink/socket.ts';
import type { Change } from '../../../host/nftables/change.ts';
import type { Elements } from '../../../host/nftables/object.ts';
import type { Trace } from '../trace.ts';
import type { PortSection } from './sections.ts';

const UDP = 17;

/** A port of the host, and where it leads. */
interface UdpPort {
  /** Only on this address of the host; absent: on all. */
  hostIp?: string | undefined;
  hostPort: number;
  address: string;
  port: number;
}

/** Of what these changes have just published: flows that began before, and lead elsewhere. */
export function dropEarlier(
  socket: NetlinkSocket,
  section: PortSection,
  changes: readonly Change[],
  trace: Trace,
): void {
  const made = changes.flatMap(({ verb, object }) => (verb === 'create' && object.kind === 'elements' ? object : []));
  const isEarlier = (flow: Flow, one: UdpPort) =>
    (one.hostIp === undefined || flow.original.destination === one.hostIp) && !leadsTo(flow, one);
  const narrower = ({ hostIp }: UdpPort) => (hostIp === undefined ? '' : ` -d ${hostIp}`);
  drop(socket, section, udpPorts(section, made), { isStale: isEarlier, narrower, trace });
}

/** Of what is published no longer: flows that still lead to the attachment. */
export function dropTranslated(
  socket: NetlinkSocket,
  section: PortSection,
  gone: readonly Elements[],
  trace: Trace,
): void {
  const narrower = ({ address }: UdpPort) => ` -r ${address}`;
  drop(socket, section, udpPorts(section, gone), { isStale: leadsTo, narrower, trace });
}

function leadsTo({ reply }: Flow, { address, port }: UdpPort): boolean {
  return reply.source === address && reply.sourcePort === port;
}

function udpPorts({ anywhere, on }: PortSection, sets: readonly Elements[]): UdpPort[] {
  const maps = sets.filter(({ set }) => set.set === anywhere.set || set.set === on.set);
  return maps.flatMap(({ elements }) =>
    elements.flatMap(({ key, data }) => {
      const [hostPort, protocol, hostIp] = key.toReversed();
      if (protocol !== 'udp' || !Array.isArray(data)) return [];
      const [address = '', port] = data;
      return [{ hostIp, hostPort: Number(hostPort), address, port: Number(port) }];
    }),
  );
}

interface Stale {
  isStale: (flow: Flow, of: UdpPort) => boolean;
  /** What conntrack(8) is told besides the port. */
  narrower: (of: UdpPort) => string;
  trace: Trace;
}

/** With one look at the flows, however many ports there are. */
function drop(
  socket: NetlinkSocket,
  { family }: PortSection,
  ports: readonly UdpPort[],
  { isStale, narrower, trace }: Stale,
): void {
  const byPort = Map.groupBy(ports, ({ hostPort }) => hostPort);
  const [only] = byPort.keys();
  if (only === undefined) return;
  const filter = {
    family: family === 'v4' ? AF_INET : AF_INET6,
    protocol: UDP,
    ...(byPort.size === 1 && { destinationPort: only }),
  } as const;
  const commands = ports.map(
    one => `conntrack -D -f ip${family} -p udp --orig-port-dst ${one.hostPort}${narrower(one)}`,
  );
  try {
    trace(commands.join('; '), () => {
      for (const flow of listFlows(socket, filter)) {
        if (byPort.get(flow.original.destinationPort)?.some(one => isStale(flow, one))) deleteFlow(socket, flow);
      }
    });
  } catch {
    // A kernel without ctnetlink: new flows go where they should all the same.
  }
}
