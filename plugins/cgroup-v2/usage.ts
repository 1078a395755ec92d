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

function usageOf(cgroup: Cgroup, ceiling: Ceiling): CgroupUsage | undefined {
  // Every group has it, whatever its controllers.
  const cpu = readIfThere(cgroup, 'cpu.stat');
  if (cpu === undefined) return undefined;
  const cpuUsec = flatKeyed(cpu).get('usage_usec');
  const memory = memoryOf(cgroup, ceiling.memory);
  const io = ioOf(cgroup);
  const current = number(cgroup, 'pids.current');
  const pressure = pressureOf(cgroup);
  return {
    path: pathOf(cgroup),
    ...(cpuUsec !== undefined && { cpuUsec }),
    ...(memory !== undefined && { memory }),
    ...(io !== undefined && { io }),
    ...(current !== undefined && { pids: { current, ...(ceiling.pids !== undefined && { limit: ceiling.pids }) } }),
    ...(pressure !== undefined && { pressure }),
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
