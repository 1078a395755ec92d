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

/** Feeds nft(8) a script. */
export function nft(script: string): void {
  const { exitCode, stderr } = Bun.spawnSync(['nft', '-f', '-'], { stdin: Buffer.from(script) });
  if (exitCode !== 0) throw new Error(`nft: ${stderr.toString().trim()}`);
}

/** What nft(8) says of the ruleset, as it would be typed; `what` as in `nft list ruleset`. */
export function nftList(...what: string[]): string {
  return run('nft', 'list', ...what);
}

/** The objects of the ruleset as nft's JSON has them, without the metadata: `{ rule: { chain, expr, ... } }`. */
export function nftJson(...what: string[]): Record<string, Record<string, unknown>>[] {
  const { nftables } = JSON.parse(run('nft', '-j', 'list', ...what)) as {
    nftables: Record<string, Record<string, unknown>>[];
  };
  return nftables.filter(object => !('metainfo' in object));
}
