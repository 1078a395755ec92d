/** Lists of CPUs as the kernel writes them (cpuset(7), list format): `0-3,6`. */

const MOST = 8192; // no Linux knows more

/** The numbers, ascending; undefined for what is no such list, or empty. */
export function cpuList(text: string): number[] | undefined {
  const found = new Set<number>();
  for (const part of text.trim().split(',')) {
    const [, from, to = from] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part.trim()) ?? [];
    if (from === undefined || Number(to) < Number(from) || Number(to) >= MOST) return undefined;
    for (let cpu = Number(from); cpu <= Number(to); cpu++) found.add(cpu);
  }
  return [...found].sort((a, b) => a - b);
}

/** `0-3,6`; empty: no CPU. */
export function formatCpuList(cpus: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const cpu of [...new Set(cpus)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === cpu - 1) last[1] = cpu;
    else ranges.push([cpu, cpu]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
