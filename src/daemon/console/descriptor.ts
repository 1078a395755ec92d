/** What the process's standard descriptors are. */
import { readFileSync } from 'node:fs';
import { isatty, WriteStream } from 'node:tty';
import { type Descriptor, type Descriptors, MOST_CHARACTERS } from './protocol.ts';

export const descriptors = (): Descriptors => [descriptorOf(0), descriptorOf(1), descriptorOf(2)];

function descriptorOf(fd: number): Descriptor {
  if (!isatty(fd)) return { terminal: false, columns: 0, rows: 0 };
  // A stream knows the size that was when it was made.
  const [columns, rows] = new WriteStream(fd).getWindowSize();
  const bounded = (characters: number) => Math.min(characters || 0, MOST_CHARACTERS);
  return { terminal: true, columns: bounded(columns), rows: bounded(rows) };
}

/** Closed by the caller (`>&-`): Bun has put /dev/null in its place, closed on exec, as no descriptor that is inherited can be. */
export function isClosedByCaller(fd: number): boolean {
  try {
    const flags = /^flags:\s*0*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & 0o2000000) !== 0;
  } catch {
    return false;
  }
}
