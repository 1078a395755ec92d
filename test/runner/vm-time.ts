/** How long the virtual machines may take, all together, on a machine that has nothing else to do. */

/** Seconds. */
export const VM_LIMIT = 600;
/** So much of the processors may go to others; with more, the time says nothing. */
const QUIET = 0.1;

export interface TimeTaken {
  seconds: number;
  /** Processor seconds: of the jobs with all that they started, and of all that ran on the machine meanwhile. */
  own: number;
  all: number;
  cpus: number;
}

/** A line that says it, and whether that is a failure. */
export function judgeTime({ seconds, own, all, cpus }: TimeTaken): { text: string; failed: boolean } {
  const others = Math.max(0, all - own) / (seconds * cpus);
  const text = `virtual machines took ${Math.round(seconds)} s in all, of ${VM_LIMIT}; others had ${Math.round(others * 100)} % of the processors`;
  return { text, failed: seconds > VM_LIMIT && others <= QUIET };
}

/** Processor seconds of all that ran since the machine came up; `stat`: /proc/stat. */
export function busySeconds(stat: string): number {
  // proc_stat(5): user nice system idle iowait irq softirq, in hundredths.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq) / 100;
}
