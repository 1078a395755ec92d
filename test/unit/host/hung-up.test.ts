import { expect, test } from 'bun:test';
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checked, cstring, libc } from '../../../src/host/libc.ts';
import { hungUp } from '../../../src/host/readable.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const directory = temporaryDirectory();
const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

test('a pipe whose reader has gone; while there is one, nothing', async () => {
  const path = join(directory, 'pipe');
  checked('mkfifo', libc().mkfifo(cstring(path), 0o600));
  const reader = openSync(path, O_RDONLY | O_NONBLOCK);
  const writer = openSync(path, O_WRONLY | O_NONBLOCK);
  const over = hungUp(writer, AbortSignal.timeout(30_000));
  expect(await Promise.race([over, Bun.sleep(30).then(() => 'waiting')])).toBe('waiting');
  closeSync(reader);
  await over;
  closeSync(writer);
});

test('a file has no other end: only the signal ends it', async () => {
  const path = join(directory, 'file');
  writeFileSync(path, '');
  const file = openSync(path, 'w');
  await expect(hungUp(file, AbortSignal.timeout(50))).rejects.toThrow('timed out');
  closeSync(file);
});
