/** Another containerd below the same state. */
import { output } from '../observe/command.ts';

const path = process.env.PATH ?? '';

/** What is started from now on is of that version: `1.6`, `1.7`, `2`. */
export async function chooseContainerd(version: string): Promise<void> {
  process.env.PATH = `${(await output('test/fetch-containerd.sh', version)).trim()}:${path}`;
}
