/** The Cgroup backend on the box's cgroup2, and what tests do beside it: foreign groups, processes, a look from outside. */
import '../box.ts';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { type CgroupOptions, cgroupBackend } from '../../../plugins/cgroup-v2/backend.ts';
import type { LimitField, LimitValue } from '../../../src/kernel/limits/limits.ts';
import { eventually } from '../../suites/contract.ts';
import { cgroups } from '../observe/system.ts';

export const MOUNT = '/sys/fs/cgroup';
export const INSTANCE = 'instance-under-test';

export const backendOf = (instance = INSTANCE, options: Partial<CgroupOptions> = {}) =>
  cgroupBackend({ instance: async () => instance, ...options });

/** All groups at and below `path`, seen from outside. */
export function groups(path = '/kukeon'): string[] {
  return cgroups()
    .map(group => `/${group}`)
    .filter(group => `${group}/`.startsWith(`${path}/`));
}

const FILES: Partial<Record<LimitField, [file: string, unset: string]>> = {
  'cpu.limit': ['cpu.max', 'max'],
  'cpu.weight': ['cpu.weight', '100'],
  'memory.limit': ['memory.max', 'max'],
  'memory.high': ['memory.high', 'max'],
  'memory.reservation': ['memory.low', '0'],
  'pids.limit': ['pids.max', 'max'],
  'hugepages.2Mi': ['hugetlb.2MB.max', 'max'],
};

/** As an administrator writes it; undefined: no limit. */
export function setByHand(path: string, field: LimitField, value: LimitValue | undefined): void {
  const [file, unset] = FILES[field] ?? [];
  if (file === undefined) throw new TypeError(`no file for ${field}`);
  writeFileSync(`${MOUNT}${path}/${file}`, `${(field === 'cpu.limit' ? Number(value) * 100_000 : value) ?? unset}`);
}

const started: Bun.Subprocess[] = [];

/** A process in the group (made if it is absent, unmarked as runc's are), there when this resolves. */
export async function shellIn(path: string, script = 'exec sleep 1000'): Promise<Bun.Subprocess> {
  mkdirSync(MOUNT + path, { recursive: true });
  const child = Bun.spawn(['sh', '-c', `echo $$ > '${MOUNT}${path}/cgroup.procs' && echo there; ${script}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  const { value } = await child.stdout.getReader().read();
  if (new TextDecoder().decode(value).split('\n')[0] !== 'there') throw new Error(`no process in ${path}`);
  return child;
}

/** Whether the process still is in the group; one that is not has to have ended. */
export async function livesIn(path: string, child: Bun.Subprocess): Promise<boolean> {
  const procs = `${MOUNT}${path}/cgroup.procs`;
  if (existsSync(procs) && readFileSync(procs, 'utf8').split('\n').includes(`${child.pid}`)) return true;
  await child.exited;
  return false;
}

/** Ends every process that `shellIn` started, and removes `/kukeon` whosever it is. */
export async function cleanUp(): Promise<void> {
  for (const path of groups('/kukeon').reverse()) {
    await Bun.write(`${MOUNT}${path}/cgroup.kill`, '1');
  }
  for (const child of started.splice(0)) {
    child.kill('SIGKILL');
    await child.exited;
  }
  for (const path of groups('/kukeon').reverse()) {
    await eventually(
      async () => /populated 0/.test(readFileSync(`${MOUNT}${path}/cgroup.events`, 'utf8')) || undefined,
    );
    rmdirSync(MOUNT + path);
  }
  if (readdirSync(MOUNT).includes('kukeon')) throw new Error('/kukeon is left');
}
