/** docs/tutorial.md, typed in as it stands: each command does well, and what the page shows of its output is in it. */
// containerd: once, since what the page is about is tested on each version by itself
import { expect, test } from 'bun:test';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { startContainerd } from '../containerd.ts';
import { difference, inventory } from '../observe/inventory.ts';
import { binary } from './kuke.ts';
import { kept } from './ready-host.ts';

const top = join(import.meta.dir, '../../..');

interface Typed {
  command: string;
  /** Lines of its output, in this order; others may stand between. */
  shown: string[];
}

/** In blocks that are indented by four: `$ ` begins a command, `<< 'END'` takes what follows for its input. */
function typedIn(page: string): Typed[] {
  const typed: Typed[] = [];
  let isInput = false;
  for (const line of page.split('\n')) {
    const text = line.slice(4);
    const last = typed.at(-1);
    if (isInput && last !== undefined) {
      last.command += `\n${text}`;
      isInput = text !== 'END';
    } else if (!line.startsWith('    ')) continue;
    else if (text.startsWith('$ ')) {
      typed.push({ command: text.slice(2), shown: [] });
      isInput = text.endsWith("<< 'END'");
    } else last?.shown.push(text);
  }
  return typed;
}

/** Of the first shown line that the output has not; undefined: all are there. Tables may be wider. */
function missing(shown: string[], output: string): string | undefined {
  const plain = (line: string) => line.trimEnd().replaceAll(/ {2,}/g, '  ');
  const lines = output.split('\n').map(plain);
  let from = 0;
  return shown.find(line => {
    const at = lines.findIndex((one, index) => index >= from && one.startsWith(plain(line)));
    from = at + 1;
    return at < 0;
  });
}

test('the tutorial is true', async () => {
  const containerd = await startContainerd();
  symlinkSync(binary, '/usr/local/bin/kuke');
  const folder = '/tmp/tutorial';
  mkdirSync(folder);
  symlinkSync(join(top, 'examples'), join(folder, 'examples'));
  const before = await inventory();
  const typed = typedIn(readFileSync(join(top, 'docs/tutorial.md'), 'utf8'));
  expect(typed.length).toBeGreaterThan(30);
  for (const { command, shown } of typed) {
    const shell = Bun.spawn(['bash', '-c', command], { cwd: folder, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
    const [stdout, stderr, status] = await Promise.all([shell.stdout.text(), shell.stderr.text(), shell.exited]);
    const said = { command, status, stdout, stderr };
    expect({ ...said, missing: missing(shown, stdout) }).toEqual({ ...said, status: 0, missing: undefined });
  }
  expect(difference(before, await inventory(), kept)).toEqual([]);
  await containerd.stop();
}, 300_000);
