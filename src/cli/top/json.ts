/** A sample for scripts; docs/resources.md has its shape. What the host does not count is absent. */
import type { Row, Sort } from './rows.ts';
import type { Sample } from './sampler.ts';

export function sampleJson({ sampledAt, seconds, rows }: Sample, sort: Sort): object {
  const [whole, ...items] = rows(sort);
  return {
    sampledAt,
    seconds: rounded(seconds),
    total: whole === undefined ? {} : figures(whole),
    items: items.map(row => ({
      kind: row.place?.ref.kind,
      name: row.name,
      path: row.place?.ref.path,
      ...figures(row),
    })),
  };
}

function figures({ cgroup, use: { cpus, memory, io, pids, pressure } }: Row): object {
  return {
    ...(cgroup !== undefined && { cgroup }),
    ...(cpus !== undefined && { cpu: { cpus: rounded(cpus) } }),
    ...(memory && {
      memory: {
        usedBytes: memory.current,
        ...(memory.limit !== undefined && { limitBytes: memory.limit }),
        ...(memory.swap !== undefined && { swapBytes: memory.swap }),
      },
    }),
    ...(io && { io: Object.fromEntries(Object.entries(io).map(([name, value]) => [name, rounded(value)])) }),
    ...(pids && { pids }),
    ...(pressure && { pressure }),
  };
}

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;
