/** Forwarding of the host, which cells need to get out: turned on when needed, and put back if it was kuke that did (spec.md §4). */
import { INET } from '../../src/cni/ruleset.ts';
import { hasCode } from '../../src/host/errno.ts';
import { forwardingChanges } from '../../src/host/forwarding.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { getTable } from '../../src/host/nftables/list.ts';
import { writeSysctl } from '../../src/host/sysctl.ts';
import type { HostStateFile } from './host-state.ts';
import { isIpv6 } from './ip-range.ts';

/**
 * For a bridge with these addresses. The values from before are on disk before anything changes: the plugin would turn it on as well,
 * and tell nobody.
 */
export async function turnOnForwarding(state: HostStateFile, gateways: readonly string[]): Promise<void> {
  const families = new Set(gateways.map(gateway => (isIpv6(gateway) ? 'v6' : 'v4')));
  const changes = [...families].flatMap(forwardingChanges);
  if (changes.length === 0) return;
  await state.update(({ sysctl }) => {
    for (const { name, before } of changes) sysctl[name] ??= before;
  });
  for (const { name, value } of changes) setIfThere(name, value);
}

/**
 * In reverse: whoever forwards no more needs no `accept_ra` of 2. Where the table still has rules, they are those of other runtimes'
 * attachments, or of another installation: they need the host to forward as well.
 */
export async function restoreForwarding(state: HostStateFile): Promise<void> {
  const { sysctl } = await state.read();
  const before = isTableThere() ? {} : sysctl;
  for (const [name, value] of Object.entries(before).reverse()) setIfThere(name, value);
  await state.update(kept => {
    kept.sysctl = {};
  });
}

function isTableThere(): boolean {
  using socket = new NetlinkSocket('netfilter');
  return getTable(socket, INET) !== undefined;
}

/** An interface may have gone meanwhile, and another kernel may run by now. */
function setIfThere(name: string, value: string): void {
  try {
    writeSysctl(name, value);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
