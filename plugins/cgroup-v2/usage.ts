/** What each cgroup uses. */
import type { CgroupUsage } from 'kuke/plugin';
import { type Cgroup, lineage, readIfThere } from '../../src/host/cgroupfs/cgroup.ts';
import { flatKeyed, nestedKeyed } from '../../src/host/cgroupfs/keyed.ts';
import { parentOf, pathOf } from './hierarchy.ts';
import { walk } from './walk.ts';

/** Of a group and those above it; undefined: none. */
interface Ceiling {
  memory: number | undefined;
  pids: number | undefined;
}

/** Parents first. A group that goes away meanwhile is left out. */
export function readUsage(top: Cgroup): CgroupUsage[] {
  const ceilings = new Map<string, Ceiling>();
  let above: Ceiling = { memory: undefined, pids: undefined };
  for (const level of lineage(top).slice(0, -1)) above = ceilingOf(level, above);
  return [...walk(top)].flatMap(cgroup => {
    const ceiling = ceilingOf(cgroup, ceilings.get(parentOf(cgroup).path) ?? above);
    ceilings.set(cgroup.path, ceiling);
    return usageOf(cgroup, ceiling) ?? [];
  });
}

/** The same without what is not of use again and again: limits, swap, pids and pressure. */
export function readBriefUsage(top: Cgroup): CgroupUsage[] {
  return [...walk(top)].flatMap(cgroup => {
    const spent = spentBy(cgroup);
    const current = spent && number(cgroup, 'memory.current');
    return spent === undefined ? [] : { ...spent, ...(current !== undefined && { memory: { current } }) };
  });
}

function usageOf(cgroup: Cgroup, ceiling: Ceiling): CgroupUsage | undefined {
  const spent = spentBy(cgroup);
  if (spent === undefined) return undefined;
  const memory = memoryOf(cgroup, ceiling.memory);
  const current = number(cgroup, 'pids.current');
  const pressure = pressureOf(cgroup);
  return {
    ...spent,
    ...(memory !== undefined && { memory }),
    ...(current !== undefined && { pids: { current, ...(ceiling.pids !== undefined && { limit: ceiling.pids }) } }),
    ...(pressure !== undefined && { pressure }),
  };
}

/** Undefined: the group has gone. */
function spentBy(cgroup: Cgroup): Pick<CgroupUsage, 'path' | 'cpuUsec' | 'io'> | undefined {
  // Every group has it, whatever its controllers.
  const cpu = readIfThere(cgroup, 'cpu.stat');
  if (cpu === undefined) return undefined;
  const cpuUsec = flatKeyed(cpu).get('usage_usec');
  const io = ioOf(cgroup);
  return {
    path: pathOf(cgroup),
    ...(cpuUsec !== undefined && { cpuUsec }),
    ...(io !== undefined && { io }),
  };
}

function memoryOf(cgroup: Cgroup, limit: number | undefined): CgroupUsage['memory'] {
  const current = number(cgroup, 'memory.current');
  if (current === undefined) return undefined;
  const swap = number(cgroup, 'memory.swap.current');
  return { current, ...(limit !== undefined && { limit }), ...(swap !== undefined && { swap }) };
}

/** Of all devices: `254:0 rbytes=4096 wbytes=0 rios=1 wios=0 ...` */
function ioOf(cgroup: Cgroup): CgroupUsage['io'] {
  const stat = readIfThere(cgroup, 'io.stat');
  if (stat === undefined) return undefined;
  const devices = [...nestedKeyed(stat).values()];
  const sum = (key: string) => devices.reduce((total, device) => total + Number(device.get(key) ?? 0), 0);
  return { readBytes: sum('rbytes'), writeBytes: sum('wbytes'), reads: sum('rios'), writes: sum('wios') };
}

function pressureOf(cgroup: Cgroup): CgroupUsage['pressure'] {
  const seen = (['cpu', 'memory', 'io'] as const).flatMap(name => {
    const percent = nestedKeyed(readIfThere(cgroup, `${name}.pressure`) ?? '')
      .get('some')
      ?.get('avg10');
    return percent === undefined ? [] : [[name, Number(percent)] as const];
  });
  return seen.length === 0 ? undefined : Object.fromEntries(seen);
}

const ceilingOf = (cgroup: Cgroup, above: Ceiling): Ceiling => ({
  memory: lower(number(cgroup, 'memory.max'), above.memory),
  pids: lower(number(cgroup, 'pids.max'), above.pids),
});

/** Undefined: no such file, or `max`. */
function number(cgroup: Cgroup, file: string): number | undefined {
  const content = readIfThere(cgroup, file);
  return content === undefined || content === 'max' ? undefined : Number(content);
}

const lower = (one: number | undefined, other: number | undefined) =>
  one === undefined ? other : Math.min(one, other ?? Number.POSITIVE_INFINITY);
