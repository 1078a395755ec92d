import type { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import type { Change } from '../../../src/host/nftables/change.ts';
import { readTable, type TableContent } from '../../../src/host/nftables/list.ts';
import { difference, update } from '../../../src/host/nftables/reconcile.ts';

/** Brings a whole table to the desired state, whatever others do meanwhile. Returns the changes that it took. */
export function reconcile(socket: NetlinkSocket, desired: TableContent): Change[] {
  return update(socket, () => difference(desired, readTable(socket, desired.table).content));
}
