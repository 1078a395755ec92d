/** docs/tutorial.md, typed in as it stands: each command does well, and what the page shows of its output is in it. */
// containerd: once, since what the page is about is tested on each version by itself
import { expect, test } from 'bun:test';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { startContainerd } from '../containerd.ts';
import { difference, inventory } from '../observe/inventory.ts';
import { binary } from './kuke.ts';
import { kept } from './ready-host.ts';
import { missing, typedIn } from './typed-page.ts';

const top = join(import.meta.dir, '../../..');

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
