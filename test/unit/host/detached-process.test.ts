import { expect, test } from 'bun:test';
import { readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDetached } from '../../../src/host/detached-process.ts';
import { openProcess } from '../../../src/host/pidfd.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const directory = temporaryDirectory();
const log = join(directory, 'log');

test('it has a session, a log and an environment of its own, nothing else of ours, and outlives its starter', async () => {
  const starter = `
    import { startDetached } from ${JSON.stringify(join(import.meta.dir, '../../../src/host/detached-process.ts'))};
    import { openSync } from 'node:fs';
    openSync('/etc/passwd');
    const { pid, startTime } = startDetached(['/bin/sh', '-c', 'echo out; echo err >&2; exec sleep 1000'], {
      log: ${JSON.stringify(log)}, env: { GREETING: 'hello' } });
    console.log(JSON.stringify({ pid, startTime }));`;
  writeFileSync(log, 'kept\n');
  const parent = Bun.spawnSync([process.execPath, '-e', starter], {
    env: { ...process.env, BUN_OPTIONS: '--smol' },
    stderr: 'inherit',
  });
  expect(parent.exitCode).toBe(0);

  const identity = JSON.parse(parent.stdout.toString());
  using running = openProcess(identity);
  if (running === undefined) throw new Error('it did not outlive its starter');
  while (!readFileSync(`/proc/${running.pid}/cmdline`, 'utf8').startsWith('sleep')) await new Promise(setImmediate);
  const [, , , session] = readFileSync(`/proc/${running.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  expect(Number(session)).toBe(running.pid);
  expect(readFileSync(`/proc/${running.pid}/environ`, 'utf8')).not.toContain('BUN_OPTIONS');
  expect(readFileSync(`/proc/${running.pid}/environ`, 'utf8').split('\0')).toContain('GREETING=hello');
  expect(readlinkSync(`/proc/${running.pid}/cwd`)).toBe('/');
  // The loader still opens and closes the program's libraries.
  while (readdirSync(`/proc/${running.pid}/fd`).length > 3) await new Promise(setImmediate);
  const files = ['0', '1', '2'].map(fd => readlinkSync(`/proc/${running.pid}/fd/${fd}`));
  expect(files).toEqual(['/dev/null', log, log]);
  expect(readFileSync(log, 'utf8')).toBe('kept\nout\nerr\n');
  running.signal('SIGKILL');
  await running.exited();
});

test('how it ended is known to a starter that stays', async () => {
  const fresh = join(directory, 'fresh');
  const failing = startDetached(['/bin/sh', '-c', 'echo no >&2; exit 7'], { log: fresh });
  expect(await failing.exited).toBe(7);
  expect(readFileSync(fresh, 'utf8')).toBe('no\n');
  expect(statSync(fresh).mode & 0o777).toBe(0o640);
  const killed = startDetached(['/bin/sleep', '1000'], { log: fresh });
  process.kill(killed.pid, 'SIGTERM');
  expect(await killed.exited).toBe(128 + 15);
});

test('what cannot be started says why', () => {
  expect(() => startDetached(['/no/such/program'], { log })).toThrow(
    /\/no\/such\/program: No such file or directory \(ENOENT\)/,
  );
  expect(() => startDetached(['sleep', '1'], { log })).toThrow('not the absolute path of a program: sleep');
  expect(() => startDetached([], { log })).toThrow(RangeError);
  symlinkSync('/etc/passwd', join(directory, 'link'));
  expect(() => startDetached(['/bin/true'], { log: join(directory, 'link') })).toThrow('(ELOOP)');
});
