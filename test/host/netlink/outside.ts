/** The view from outside: what ip(8) and nft(8) say of the kernel's state. */

/** Runs a program and returns what it printed; throws with its stderr if it failed. */
export function run(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: exit ${exitCode}: ${stderr.toString().trim()}`);
  return stdout.toString();
}

/** `ip ...`; empty if the thing is not there. */
export function ip(...args: string[]): string {
  return Bun.spawnSync(['ip', ...args]).stdout.toString();
}

/** `ip -j ...`; empty if the thing is not there. */
export function ipJson<T>(...args: string[]): T[] {
  const text = ip('-j', ...args);
  return text.trim() === '' ? [] : (JSON.parse(text) as T[]);
}
