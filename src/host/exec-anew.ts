/** This very program once more, in this very process: execve(2). */
import { ptr } from 'bun:ffi';
import { cstring, libc } from './libc.ts';

/** fcntl(2): the descriptor's flags, of which close-on-exec is the only one. */
const F_SETFD = 2;

/**
 * The same program with the same command line and `more` in its environment takes this one's place: pid, descriptors 0 to 2 and those that
 * the command line names (`-f /dev/fd/63`, as a shell writes `-f <(generate)`), folder and terminal stay. Returns only where that cannot be
 * done (there is no /proc), and then all is as it was.
 */
export function execAnew(
  more: Readonly<Record<string, string>>,
  argv: readonly string[] = [process.argv0, ...process.argv.slice(2)],
): void {
  const environment = Object.entries({ ...process.env, ...more }).map(([name, value]) => `${name}=${value}`);
  // Held here, for the kernel copies what the addresses lead to only during the call.
  const held = [argv, environment].map(texts => texts.map(cstring));
  const [args, env] = held.map(texts => new BigUint64Array([...texts.map(text => BigInt(ptr(text))), 0n]));
  // Bun closes the others at an execve.
  for (const fd of named(argv)) libc().fcntl(fd, F_SETFD, 0);
  if (args && env) libc().execve(cstring('/proc/self/exe'), args, env);
}

const named = (argv: readonly string[]): number[] =>
  argv.flatMap(word => [...word.matchAll(/\/(?:dev|proc\/self)\/fd\/(\d{1,7})\b/g)].map(([, fd]) => Number(fd)));
