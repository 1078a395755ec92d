/** This very program once more, in this very process: execve(2). */
import { ptr } from 'bun:ffi';
import { cstring, libc } from './libc.ts';

/**
 * The same program with the same command line and `more` in its environment takes this one's place: pid, descriptors 0 to 2, folder and
 * terminal stay. Returns only where that cannot be done (there is no /proc), and then all is as it was.
 */
export function execAnew(
  more: Readonly<Record<string, string>>,
  argv: readonly string[] = [process.argv0, ...process.argv.slice(2)],
): void {
  const environment = Object.entries({ ...process.env, ...more }).map(([name, value]) => `${name}=${value}`);
  // Held here, for the kernel copies what the addresses lead to only during the call.
  const held = [argv, environment].map(texts => texts.map(cstring));
  const [args, env] = held.map(texts => new BigUint64Array([...texts.map(text => BigInt(ptr(text))), 0n]));
  if (args && env) libc().execve(cstring('/proc/self/exe'), args, env);
}
