/** The flows that the kernel tracks, over nfnetlink (linux/netfilter/nfnetlink_conntrack.h). */
import { hasCode } from '../errno.ts';
import { attributes, headed, type ValueOf } from './attributes.ts';
import { bytes, struct, u8, u16be, u32, u32be } from './bytes.ts';
import { type AF_INET, type AF_INET6, formatAddress } from './inet.ts';
import type { NetlinkSocket } from './socket.ts';

const SUBSYSTEM = 1;
const CT_GET = (SUBSYSTEM << 8) | 1;
const CT_DELETE = (SUBSYSTEM << 8) | 2;

/** CTA_FILTER_F_CTA_PROTO_NUM and _DST_PORT (the kernel's nf_internals.h): which fields of the tuple count. */
const BY_PROTOCOL = 1 << 3;
const BY_PORT = 1 << 5;

const tuple = attributes({
  ip: [1, attributes({ source4: [1, bytes], destination4: [2, bytes], source6: [3, bytes], destination6: [4, bytes] })],
  transport: [2, attributes({ protocol: [1, u8], sourcePort: [2, u16be], destinationPort: [3, u16be] })],
});

const flowMessage = headed(
  struct({ family: u8, version: u8, resource: u16be }),
  attributes({
    original: [1, tuple],
    reply: [2, tuple],
    id: [12, u32be],
    zone: [18, u16be],
    filter: [25, attributes({ original: [1, u32], reply: [2, u32] })],
  }),
);

/** One direction of a flow. */
export interface FlowTuple {
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
}

export interface Flow {
  original: FlowTuple;
  /** How answers come in: another source than the original destination means that it was translated. */
  reply: FlowTuple;
  /** By what it is deleted. */
  wire: ValueOf<typeof flowMessage>;
}

export interface FlowFilter {
  family: typeof AF_INET | typeof AF_INET6;
  /** IPPROTO_*: 17 is UDP. */
  protocol: number;
  /** To which the first packet was sent, before any translation; without, all flows of the protocol. */
  destinationPort?: number;
}

/** The flows of a protocol, to a port. Kernels before 5.8 send all and are filtered here. The kernel goes through all that it has each time. */
export function listFlows(socket: NetlinkSocket, { family, protocol, destinationPort }: FlowFilter): Flow[] {
  const value = {
    family,
    original: { transport: { protocol, destinationPort } },
    filter: { original: BY_PROTOCOL | (destinationPort === undefined ? 0 : BY_PORT), reply: 0 },
  };
  const step = `list flows of protocol ${protocol}${destinationPort === undefined ? '' : ` to port ${destinationPort}`}`;
  return socket
    .dump({ step, type: CT_GET, codec: flowMessage, value }, message => flowMessage.read(message.body))
    .filter(({ original }) => {
      const { transport } = original ?? {};
      if (transport?.protocol !== protocol) return false;
      return destinationPort === undefined || transport.destinationPort === destinationPort;
    })
    .map(wire => ({ original: toTuple(wire.original), reply: toTuple(wire.reply), wire }));
}

function toTuple({ ip = {}, transport = {} }: ValueOf<typeof tuple> = {}): FlowTuple {
  const address = (bytes: Uint8Array | undefined) => (bytes === undefined ? '' : formatAddress(bytes));
  return {
    source: address(ip.source4 ?? ip.source6),
    destination: address(ip.destination4 ?? ip.destination6),
    sourcePort: transport.sourcePort ?? 0,
    destinationPort: transport.destinationPort ?? 0,
  };
}

/** Makes the kernel forget a flow: its next packet is looked at as the first of a new one. False if it was gone. */
export function deleteFlow(socket: NetlinkSocket, { wire }: Flow): boolean {
  const { family, original, id, zone } = wire;
  try {
    socket.request({ step: 'delete flow', type: CT_DELETE, codec: flowMessage, value: { family, original, id, zone } });
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
