/**
 * UDP flows that would go on past a change of what is published: the kernel translates by the first packet of a flow, and one that somebody
 * keeps sending on never ends.
 */
import { deleteFlow, type Flow, listFlows } from '../../../host/netlink/conntrack.ts';
import { AF_INET, AF_INET6 } from '../../../host/netlink/inet.ts';
import type { NetlinkSocket } from '../../../host/netlink/socket.ts';
import type { Elements } from '../../../host/nftables/object.ts';
import type { Trace } from '../trace.ts';
import type { Published } from './published.ts';
import type { PortSection } from './sections.ts';

const UDP = 17;

/** Of what has just been published: flows that began before. */
export function dropEarlier(
  socket: NetlinkSocket,
  { family }: PortSection,
  { mappings }: Published,
  trace: Trace,
): void {
  for (const { protocol, hostPort, hostIp } of mappings) {
    if (protocol !== 'udp') continue;
    const only = hostIp === undefined ? '' : ` -d ${hostIp}`;
    const isEarlier = ({ original }: Flow) => hostIp === undefined || original.destination === hostIp;
    drop(socket, family, hostPort, only, isEarlier, trace);
  }
}

/** Of what is published no longer: flows that still lead to the attachment. */
export function dropTranslated(
  socket: NetlinkSocket,
  { family, anywhere, on }: PortSection,
  gone: readonly Elements[],
  trace: Trace,
): void {
  const maps = gone.filter(({ set }) => set.set === anywhere.set || set.set === on.set);
  for (const { key, data } of maps.flatMap(({ elements }) => elements)) {
    const [hostPort = '', protocol] = key.toReversed();
    if (protocol !== 'udp' || !Array.isArray(data)) continue;
    const [address = '', port = ''] = data;
    const leadsThere = ({ reply }: Flow) => reply.source === address && reply.sourcePort === Number(port);
    drop(socket, family, Number(hostPort), ` -r ${address}`, leadsThere, trace);
  }
}

function drop(
  socket: NetlinkSocket,
  family: PortSection['family'],
  destinationPort: number,
  narrower: string,
  isStale: (flow: Flow) => boolean,
  trace: Trace,
): void {
  const filter = { family: family === 'v4' ? AF_INET : AF_INET6, protocol: UDP, destinationPort } as const;
  const command = `conntrack -D -f ip${family} -p udp --orig-port-dst ${destinationPort}${narrower}`;
  try {
    trace(command, () => {
      for (const flow of listFlows(socket, filter).filter(isStale)) deleteFlow(socket, flow);
    });
  } catch {
    // A kernel without ctnetlink: new flows go where they should all the same.
  }
}
