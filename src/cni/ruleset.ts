/**
 * All rules of kuke are in tables named `kukeon`: `inet kukeon` and, for what is seen of frames, `bridge kukeon`. A table is made of
 * sections, each of which is one part's own (masquerading, published ports, isolation): chains, sets and rules that are always the same,
 * and elements that come and go. A section appears with its first element and goes with its last; the table goes with its last section.
 */
import type { NetlinkSocket } from '../host/netlink/socket.ts';
import type { Change } from '../host/nftables/change.ts';
import type { TableContent } from '../host/nftables/list.ts';
import { type Chain, type Element, type Elements, type NamedSet, type Rule, table } from '../host/nftables/object.ts';

export const INET = table('inet', 'kukeon');
export const BRIDGE = table('bridge', 'kukeon');

/** What of a section never changes. The names of chains and sets are in no other section. */
export interface Section {
  table: typeof INET;
  chains: Chain[];
  sets: NamedSet[];
  rules: Rule[];
}

const missing = () => {
  throw new Error('not written yet');
};

/** Adds elements, and the section where it is missing or was changed. What it costs does not grow with the elements there are. */
export const addElements: (socket: NetlinkSocket, section: Section, wanted: readonly Elements[]) => Change[] = missing;

/** Removes the elements that `isGone` says yes to, and the section with its last one. */
export const removeElements: (
  socket: NetlinkSocket,
  section: Section,
  isGone: (element: Element, set: NamedSet) => boolean,
) => Change[] = missing;

/** What is there of a section's chains and sets, at one moment; undefined for nothing. */
export const readSection: (socket: NetlinkSocket, section: Section) => TableContent | undefined = missing;

/** Brings a section to hold exactly these elements; none removes it. Nothing is touched where nothing differs. */
export const reconcileSection: (socket: NetlinkSocket, section: Section, wanted: readonly Elements[]) => Change[] =
  missing;
