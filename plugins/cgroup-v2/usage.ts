/** What each cgroup uses. */
import { type CgroupUsage, othersTurn } from 'kuke/plugin';
import { type Cgroup, lineage, readIfThere } from '../../src/host/cgroupfs/cgroup.ts';
import { nestedKeyed } from '../../src/host/cgroupfs/keyed.ts';
import { pathOf } from './hierarchy.ts';
import { walk } from './walk.ts';

/** Of a group and those above it; undefined: none. */
interface Ceiling {
  memory: number | undefined;
  pids: number | undefined;
}

type Read = (cgroup: Cgroup, file: string) => string | undefined;

/** Parents first. A group that goes away meanwhile is left out. */
export function readUsage(top: Cgroup): Promise<CgroupUsage[]> {
  const read = reader();
  const ceilings = new Map<string, Ceiling>();
  let above: Ceiling = { memory: undefined, pids: undefined };
  // The root of the hierarchy lacks what all others have.
  for (const level of lineage(top).slice(0, -1)) above = ceilingOf(readIfThere, level, above);
  return ofEach(top, cgroup => {
    const ceiling = ceilingOf(read, cgroup, ceilings.get(parentPath(cgroup)) ?? above);
    ceilings.set(cgroup.path, ceiling);
    return usageOf(read, cgroup, ceiling);
  });
}

/** The same without what is not of use again and again: limits, swap, pids and pressure. */
export function readBriefUsage(top: Cgroup): Promise<CgroupUsage[]> {
  const read = reader();
  return ofEach(top, cgroup => {
    const spent = spentBy(read, cgroup);
    const current = spent && number(read, cgroup, 'memory.current');
    return spent && { ...spent, ...(current !== undefined && { memory: { current } }) };
  });
}

async function ofEach(top: Cgroup, look: (cgroup: Cgroup) => CgroupUsage | undefined): Promise<CgroupUsage[]> {
  const seen: CgroupUsage[] = [];
  for (const cgroup of walk(top)) {
    const one = look(cgroup);
    if (one !== undefined) seen.push(one);
    await othersTurn();
  }
  return seen;
}

/** Where a group lacks a file of a controller, so do all below it (cgroup-v2.rst, Top-down Constraint): they are not asked. */
function reader(): Read {
  const lacking = new Set<string>();
  return (cgroup, file) => {
    const content = lacking.has(`${parentPath(cgroup)}/${file}`) ? undefined : readIfThere(cgroup, file);
    if (content === undefined) lacking.add(`${cgroup.path}/${file}`);
    return content;
  };
}

const parentPath = ({ path }: Cgroup): string => path.slice(0, path.lastIndexOf('/'));

function usageOf(read: Read, cgroup: Cgroup, ceiling: Ceiling): CgroupUsage | undefined {
  const spent = spentBy(read, cgroup);
  if (spent === undefined) return undefined;
  const memory = memoryOf(read, cgroup, ceiling.memory);
  const current = number(read, cgroup, 'pids.current');
  const pressure = pressureOf(cgroup);
  return {
    ...spent,
    ...(memory !== undefined && { memory }),
    ...(current !== undefined && { pids: { current, ...(ceiling.pids !== undefined && { limit: ceiling.pids }) } }),
    ...(pressure !== undefined && { pressure }),
  };
}

/** Undefined: the group has gone. */
function spentBy(read: Read, cgroup: Cgroup): Pick<CgroupUsage, 'path' | 'cpuUsec' | 'io'> | undefined {
  // Every group has it, whatever its controllers.
  const cpu = readIfThere(cgroup, 'cpu.stat');
  if (cpu === undefined) return undefined;
  const cpuUsec = /^usage_usec (\d+)$/m.exec(cpu)?.[1];
  const io = ioOf(read, cgroup);
  return {
    path: pathOf(cgroup),
    ...(cpuUsec !== undefined && { cpuUsec: Number(cpuUsec) }),
    ...(io !== undefined && { io }),
  };
}

function memoryOf(read: Read, cgroup: Cgroup, limit: number | undefined): CgroupUsage['memory'] {
  const current = number(read, cgroup, 'memory.current');
  if (current === undefined) return undefined;
  const swap = number(read, cgroup, 'memory.swap.current');
  return { current, ...(limit !== undefined && { limit }), ...(swap !== undefined && { swap }) };
}

/** Of all devices: `254:0 rbytes=4096 wbytes=0 rios=1 wios=0 ...` */
function ioOf(read: Read, cgroup: Cgroup): CgroupUsage['io'] {
  const stat = read(cgroup, 'io.stat');
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

const ceilingOf = (read: Read, cgroup: Cgroup, above: Ceiling): Ceiling => ({
  memory: lower(number(read, cgroup, 'memory.max'), above.memory),
  pids: lower(number(read, cgroup, 'pids.max'), above.pids),
});

/** Undefined: no such file, or `max`. */
function number(read: Read, cgroup: Cgroup, file: string): number | undefined {
  const content = read(cgroup, file);
  return content === undefined || content === 'max' ? undefined : Number(content);
}

const lower = (one: number | undefined, other: number | undefined) =>
  one === undefined ? other : Math.min(one, other ?? Number.POSITIVE_INFINITY);
