/** How long the virtual machines may take, all together, on a machine that has nothing else to do. */

/** Seconds. */
const LIMIT = 600;

/**
 * A line that says it, and whether that is a failure. Each computes on one CPU, and as many run at once as there are CPUs: by processor
 * time it can be told beside others, too.
 */
export function judgeTime(cpuSeconds: number, cpus: number): { text: string; failed: boolean } {
  const seconds = Math.round(cpuSeconds / cpus);
  const text = `virtual machines took ${Math.round(cpuSeconds)} s of processors, which by themselves they take ${seconds} s for, of ${LIMIT}`;
  return { text, failed: seconds > LIMIT };
}
