/** What is said of a thing that no archive of kuke's holds: a device, a pipe, a socket. */
import { currentConsole } from '../console/console.ts';

export function leftOut(name: string): void {
  currentConsole().tell(`warning: ${name} is left out: it is no file, folder or link\n`);
}
