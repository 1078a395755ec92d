/** Forwarding of the host, which cells need to get out: turned on when needed, and put back if it was kuke that did (spec.md §4). */
import { INET } from '../../src/cni/ruleset.ts';
import { hasCode } from '../../src/host/errno.ts';
import {
  FORWARDING,
  type ForwardingFamily,
  forwardingChanges,
  lateListeners,
  overwrittenValues,
  type SysctlChange,
} from '../../src/host/forwarding.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { getTable } from '../../src/host/nftables/list.ts';
import { readSysctl, writeSysctl } from '../../src/host/sysctl.ts';
import type { HostState, HostStateFile } from './host-state.ts';
import { isIpv6 } from './ip-range.ts';

/**
 * For a bridge with these addresses. The values from before are on disk before anything changes: the plugin would turn it on as well,
 * and tell nobody.
 */
export async function turnOnForwarding(state: HostStateFile, gateways: readonly string[]): Promise<void> {
  const families = [...new Set(gateways.map((gateway): ForwardingFamily => (isIpv6(gateway) ? 'v6' : 'v4')))];
  const turned = families.map(family => ({ family, changes: forwardingChanges(family) }));
  const overwritten = turned.flatMap(({ family, changes }) =>
    changes.length === 0 ? [] : Object.entries(overwrittenValues(family)),
  );
  const late = families.includes('v6') ? await lateChanges(state) : [];
  const changes = [...turned.flatMap(one => one.changes), ...late];
  if (changes.length === 0) return;
  const before = [...overwritten, ...changes.map(one => [one.name, one.before] as const)];
  await state.update(kept => {
    const known = ofThisBoot(kept);
    // What comes later stands first, so that it is put back last: turning forwarding off overwrites it.
    kept.sysctl = { ...Object.fromEntries(before.filter(([name]) => !(name in known))), ...known };
    kept.boot = bootId();
  });
  for (const { name, value } of changes) setIfThere(name, value);
}

/** Of uplinks that came after kuke had turned it on; where somebody else had, that is their business, as is one that forwarded alone. */
async function lateChanges(state: HostStateFile): Promise<SysctlChange[]> {
  const late = lateListeners();
  const known = late.length === 0 ? {} : ofThisBoot(await state.read());
  if (!(FORWARDING.v6 in known)) return [];
  return late.filter(({ name }) => !(name.replace(/accept_ra$/, 'forwarding') in known));
}

/**
 * In reverse: whoever forwards no more needs no `accept_ra` of 2. Where the table still has rules, they are those of other runtimes'
 * attachments, or of another installation: they need the host to forward as well.
 */
export async function restoreForwarding(state: HostStateFile): Promise<void> {
  const before = isTableThere() ? {} : ofThisBoot(await state.read());
  for (const [name, value] of Object.entries(before).reverse()) setIfThere(name, value);
  await state.update(kept => {
    kept.sysctl = {};
  });
}

/** After a reboot the host has what its own configuration says. */
function ofThisBoot({ sysctl, boot }: HostState): HostState['sysctl'] {
  return boot === bootId() ? sysctl : {};
}

const bootId = () => readSysctl('kernel.random.boot_id');

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
