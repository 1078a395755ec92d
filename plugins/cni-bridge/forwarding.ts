/** Forwarding of the host, which cells need to get out: turned on when needed, and put back if it was kuke that did (spec.md §4). */
import { hasCode } from '../../src/host/errno.ts';
import { readSysctl, writeSysctl } from '../../src/host/sysctl.ts';
import type { HostStateFile } from './host-state.ts';
import { isIpv6 } from './ip-range.ts';

const FORWARDING = { v4: 'net.ipv4.ip_forward', v6: 'net.ipv6.conf.all.forwarding' } as const;

/**
 * For a bridge with these addresses. The value from before is on disk before it changes: the reference plugin would turn it on as well,
 * and tell nobody.
 */
export async function turnOnForwarding(state: HostStateFile, gateways: readonly string[]): Promise<void> {
  const names = new Set(gateways.map(gateway => FORWARDING[isIpv6(gateway) ? 'v6' : 'v4']));
  for (const name of names) {
    const before = readSysctl(name);
    if (before === '1') continue;
    await state.update(({ sysctl }) => {
      sysctl[name] ??= before;
    });
    writeSysctl(name, 1);
  }
}

export async function restoreForwarding(state: HostStateFile): Promise<void> {
  const { sysctl } = await state.read();
  for (const [name, before] of Object.entries(sysctl)) {
    try {
      writeSysctl(name, before);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error; // another kernel runs by now
    }
  }
  await state.update(kept => {
    kept.sysctl = {};
  });
}
