/** Limits of cgroups in memory: what a host makes of what is asked, and what it remembers of it. */
import type { CgroupUsage, LimitObservation } from '../../src/kernel/backends/index.ts';
import { cpuList, formatCpuList } from '../../src/kernel/limits/cpu-list.ts';
import {
  deviceLimit,
  eachLimit,
  formatLimit,
  type LimitField,
  type Limits,
  type LimitValue,
  limitsFrom,
} from '../../src/kernel/limits/limits.ts';
import { formatBytes } from '../../src/kernel/limits/quantity.ts';
import type { FakeHost } from './host.ts';

const FILES: Readonly<Record<string, string>> = {
  'cpu.limit': 'cpu.max',
  'cpu.weight': 'cpu.weight',
  'cpu.cpuset': 'cpuset.cpus',
  'memory.limit': 'memory.max',
  'memory.high': 'memory.high',
  'memory.reservation': 'memory.low',
  'memory.swap': 'memory.swap.max',
  'io.weight': 'io.weight',
  'pids.limit': 'pids.max',
};

/** Of what it is a limit: `hugetlb`, `cpuset`. */
const fileOf = (field: LimitField): string =>
  FILES[field] ?? (field.startsWith('io.') ? 'io.max' : `hugetlb.${field.replace(/^.*\.(\d+.)i$/, '$1B')}.max`);
const controllerOf = (field: LimitField): string => fileOf(field).split('.')[0] ?? '';

/** What a file says that nobody has written to; absent: no limit. */
const initial = (field: LimitField): LimitValue | undefined => (field.endsWith('.weight') ? 100 : undefined);

/** As the kernel has it afterwards: memory in pages, CPUs in ranges. */
function kept(field: LimitField, value: LimitValue): LimitValue {
  if (field.startsWith('memory.') && typeof value === 'number') return value - (value % 4096);
  return field === 'cpu.cpuset' ? formatCpuList(cpuList(String(value)) ?? []) : value;
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

function faultOf(host: FakeHost, field: LimitField, asked: LimitValue): string | undefined {
  const { cpus, memory, disks, hugepages } = host.machine;
  if (field === 'cpu.limit' && Number(asked) > cpus) return `this host has ${cpus} CPUs`;
  if (/^(?:memory|hugepages)\./.test(field) && field !== 'memory.swap' && Number(asked) > memory)
    return `this host has ${formatBytes(memory)} of memory`;
  if (field === 'cpu.cpuset' && cpuList(String(asked))?.some(cpu => cpu >= cpus))
    return `the CPUs here are 0-${cpus - 1}`;
  const disk = deviceLimit(field)?.path;
  if (disk !== undefined && !disks.has(disk)) return `${disk} is not there`;
  const pages = /^hugepages\.(.*)$/.exec(field)?.[1];
  return pages !== undefined && !hugepages.has(pages) ? `this host has no pages of ${pages}` : undefined;
}

function lackOf({ controllers, machine }: FakeHost, field: LimitField): string | undefined {
  const controller = controllerOf(field);
  if (!controllers.has(controller)) return `no cgroup controller ${controller}`;
  return field === 'memory.swap' && !machine.swap ? 'this host has no swap' : undefined;
}

export function fakeLimits(host: FakeHost, path: string, limits: Limits): LimitObservation[] {
  const { values = new Map(), record = new Map() } = host.cgroups.get(path) ?? {};
  const asked = new Map(eachLimit(limits));
  const found = [...record].flatMap(([field, { isDone }]) => (isDone ? [field] : []));
  return [...new Set([...asked.keys(), ...values.keys(), ...found])].flatMap(field => {
    const wanted = asked.get(field);
    const current = values.get(field) ?? initial(field);
    const before = record.get(field);
    const manual = !Bun.deepEquals(current, before?.isDone ? before.found : initial(field));
    if (wanted === undefined && !manual && before === undefined) return [];
    const notEnforced = wanted === undefined ? undefined : lackOf(host, field);
    const fault = wanted === undefined ? undefined : faultOf(host, field, wanted);
    const isNew =
      wanted === undefined ? before?.isDone === true : !before?.isDone || !Bun.deepEquals(before.asked, wanted);
    const seen: LimitObservation = {
      field,
      file: fileOf(field),
      manual,
      due: isNew && notEnforced === undefined && fault === undefined,
      ...(wanted !== undefined && { asked: wanted }),
      ...(current !== undefined && { current }),
      ...(notEnforced !== undefined && { notEnforced }),
      ...(fault !== undefined && { fault }),
    };
    return [seen];
  });
}

/** `limits` all make sense. Returns what a person is to know: what was there by hand, memory that had to be given back. */
export function fakeLimit(
  host: FakeHost,
  path: string,
  limits: Limits,
  leave: readonly LimitField[] = [],
  take: readonly LimitField[] = [],
): string[] {
  const group = host.cgroups.get(path);
  if (group === undefined) throw new TypeError(`no group ${path}`);
  const seen = fakeLimits(host, path, limits).filter(({ field }) => !leave.includes(field));
  const values = new Map(group.values);
  const notes: string[] = [];
  for (const { field, file, asked, current, manual, due } of seen) {
    const isTaken = manual && take.includes(field);
    const isLeft = asked === undefined && manual && !isTaken;
    if (isLeft || (!due && !isTaken)) continue;
    if (asked === undefined) values.delete(field);
    else values.set(field, kept(field, asked));
    const was = current === undefined ? 'no limit' : formatLimit(field, current);
    if (manual) notes.push(`${file} of ${path} was set by hand: ${was}`);
  }
  const record: NonNullable<typeof group.record> = new Map(
    seen.flatMap(({ field, asked, due, notEnforced }) => {
      if (asked === undefined) return [];
      const before = group.record?.get(field);
      const fresh = { asked, found: values.get(field), isDone: notEnforced === undefined };
      return [
        [
          field,
          due || take.includes(field) || before === undefined || notEnforced !== undefined ? fresh : before,
        ] as const,
      ];
    }),
  );
  for (const [field, known] of group.record ?? []) if (leave.includes(field)) record.set(field, known);
  const { values: _, record: __, ...rest } = group;
  const said = { ...(values.size > 0 && { values }), ...(record.size > 0 && { record }) };
  host.cgroups.set(path, { ...rest, ...said });
  const max = values.get('memory.limit');
  if (typeof max !== 'number' || group.memory === undefined || group.memory <= max) return notes;
  const given = group.memory - max;
  Object.assign(host.cgroups.get(path) ?? {}, { memory: max });
  return [
    ...notes,
    `memory.max of ${path} was below what it used: ${formatLimit('memory.limit', given)} were given back`,
  ];
}

export function fakeAsked(host: FakeHost, path: string): Limits | undefined {
  const record = host.cgroups.get(path)?.record;
  return record?.size ? limitsFrom([...record].map(([field, { asked }]) => [field, asked] as const)) : undefined;
}

/** `{}` for a group without limits: plain data, as the journal holds it. */
export function fakeRemember(host: FakeHost, path: string): unknown {
  const group = host.cgroups.get(path);
  return group && { values: [...(group.values ?? [])], record: [...(group.record ?? [])] };
}

export function fakeRestore(host: FakeHost, path: string, remembered: unknown): void {
  const group = host.cgroups.get(path);
  if (group?.ours !== true || remembered === undefined) return;
  const { values, record } = remembered as {
    values: [LimitField, LimitValue][];
    record: [LimitField, { asked: LimitValue; found?: LimitValue | undefined; isDone: boolean }][];
  };
  const { values: _, record: __, ...rest } = group;
  const said = {
    ...(values.length > 0 && { values: new Map(values) }),
    ...(record.length > 0 && { record: new Map(record) }),
  };
  host.cgroups.set(path, { ...rest, ...said });
}

export function fakeUsage(host: FakeHost, path: string, pids: number): CgroupUsage {
  const lowest = (field: LimitField, at: string): number[] =>
    at === ''
      ? []
      : [...[host.cgroups.get(at)?.values?.get(field) ?? []].flat().map(Number), ...lowest(field, parentOf(at))];
  const limit = (field: LimitField) => {
    const all = lowest(field, path);
    return all.length > 0 && { limit: Math.min(...all) };
  };
  const has = (name: string) => host.controllers.has(name);
  const below = [...host.cgroups].filter(([at]) => at === path || at.startsWith(`${path}/`));
  const current = below.reduce((sum, [, { memory = 0 }]) => sum + memory, 0);
  return {
    path,
    cpuUsec: 0,
    ...(has('memory') && { memory: { current, ...limit('memory.limit') } }),
    ...(has('io') && { io: { readBytes: 0, writeBytes: 0, reads: 0, writes: 0 } }),
    ...(has('pids') && { pids: { current: pids, ...limit('pids.limit') } }),
  };
}
