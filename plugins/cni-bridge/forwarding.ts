/** IPv4 forwarding of the host, which cells need to get out: turned on when needed, and put back if it was kuke that did (spec.md §4). */
import { hasCode } from '../../src/host/errno.ts';
import { readSysctl, writeSysctl } from '../../src/host/sysctl.ts';
import type { HostStateFile } from './host-state.ts';

const FORWARDING = 'net.ipv4.ip_forward';

/** The value from before is on disk before it changes: the reference plugin would turn it on as well, and tell nobody. */
export async function turnOnForwarding(state: HostStateFile): Promise<void> {
  const before = readSysctl(FORWARDING);
  if (before === '1') return;
  await state.update(({ sysctl }) => {
    sysctl[FORWARDING] ??= before;
  });
  writeSysctl(FORWARDING, 1);
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
