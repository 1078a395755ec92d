/** What a person is told who leaves what runs on. */
import { scopeFlags } from '../cell-process/containers.ts';
import { tell } from '../output/terminal.ts';

/** A line of its own: the cursor is wherever the program has left it. */
export function tellLeft(name: string, flags: Record<string, unknown>): void {
  tell(`\nleft; it runs on: \`kuke attach ${name}${scopeFlags(flags)}\` comes back`);
}
