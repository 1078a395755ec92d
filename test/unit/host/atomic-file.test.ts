import { expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  removeStaleTemporaries,
  replaceFile,
  replaceFileAmongMany,
  rewriteInPlace,
} from '../../../src/host/atomic-file.ts';
import { identify } from '../../../src/host/pidfd.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const root = temporaryDirectory();
/** An empty directory for one test. */
function scene(name: string) {
  const directory = join(root, name);
  mkdirSync(directory);
  return { directory, file: join(directory, 'cell.yaml') };
}
const mode = (path: string) => statSync(path).mode & 0o7777;

test('content and mode are as asked for, whatever the umask and the old file were', async () => {
  const { directory, file } = scene('replace');
  const umask = process.umask(0o077);
  try {
    await replaceFile(file, 'one');
    expect([readFileSync(file, 'utf8'), mode(file)]).toEqual(['one', 0o644]);
    await replaceFile(file, new TextEncoder().encode('two'), { mode: 0o600 });
    expect([readFileSync(file, 'utf8'), mode(file)]).toEqual(['two', 0o600]);
    await replaceFile(file, '', { mode: 0o755 });
    expect([readFileSync(file, 'utf8'), mode(file)]).toEqual(['', 0o755]);
  } finally {
    process.umask(umask);
  }
  expect(readdirSync(directory)).toEqual(['cell.yaml']);
});

test('a symbolic link in its place is replaced, and what it pointed at is untouched', async () => {
  const { directory, file } = scene('link');
  writeFileSync(join(directory, 'victim'), 'precious');
  symlinkSync('victim', file);
  await replaceFile(file, 'new');
  expect(readFileSync(join(directory, 'victim'), 'utf8')).toBe('precious');
  expect(readFileSync(file, 'utf8')).toBe('new');
});

test("a failure says the kernel's word and leaves no temporary file", async () => {
  const { directory, file } = scene('failure');
  mkdirSync(join(file, 'full'), { recursive: true });
  await expect(replaceFile(file, 'x')).rejects.toThrow(`${file}: Is a directory (EISDIR)`);
  await expect(replaceFile(join(directory, 'no', 'file'), 'x')).rejects.toThrow('No such file or directory (ENOENT)');
  await expect(replaceFile(join(directory, 'n'.repeat(250)), 'x')).rejects.toThrow('File name too long (ENAMETOOLONG)');
  expect(readdirSync(directory)).toEqual(['cell.yaml']);
});

test('readers see one version or the other, also after the writer was killed', async () => {
  const { directory, file } = scene('whole');
  await replaceFile(file, 'a'.repeat(100_000));
  const script = `
    import { replaceFile } from ${JSON.stringify(join(import.meta.dir, '../../../src/host/atomic-file.ts'))};
    for (let round = 0; ; round++) await replaceFile(${JSON.stringify(file)}, 'ab'[round % 2].repeat(100_000));`;
  const writer = Bun.spawn([process.execPath, '-e', script]);
  const seen = new Set<string>();
  while (seen.size < 2) {
    const content = readFileSync(file, 'utf8');
    expect(content).toMatch(/^(a{100000}|b{100000})$/);
    seen.add(content);
  }
  const [live] = readdirSync(directory).filter(name => name.endsWith('.tmp'));
  if (live !== undefined) expect(await removeStaleTemporaries(directory)).not.toContain(live);
  writer.kill('SIGKILL');
  await writer.exited;
  expect(readFileSync(file, 'utf8')).toMatch(/^(a{100000}|b{100000})$/);
  await removeStaleTemporaries(directory);
  expect(readdirSync(directory)).toEqual(['cell.yaml']);
});

test('among many: content and mode as asked for, a link replaced, and a failure leaves nothing', async () => {
  const { directory, file } = scene('many');
  writeFileSync(join(directory, 'victim'), 'precious');
  symlinkSync('victim', file);
  const umask = process.umask(0o077);
  try {
    await replaceFileAmongMany(file, 'new', { mode: 0o644 });
  } finally {
    process.umask(umask);
  }
  expect([readFileSync(file, 'utf8'), mode(file)]).toEqual(['new', 0o644]);
  expect(readFileSync(join(directory, 'victim'), 'utf8')).toBe('precious');
  const refused = (path: string) => expect(replaceFileAmongMany(path, 'x', { mode: 0o600 })).rejects;
  await refused(join(directory, 'no', 'file')).toThrow('No such file or directory (ENOENT)');
  mkdirSync(join(directory, 'folder', 'full'), { recursive: true });
  await refused(join(directory, 'folder')).toThrow('(EISDIR)');
  expect(readdirSync(directory).sort()).toEqual(['cell.yaml', 'folder', 'victim']);
});

test('only temporaries of the dead are removed, and nothing that merely looks like one', async () => {
  const { directory } = scene('stale');
  const self = identify(process.pid);
  const stale = `.cell.yaml.${self?.pid}-${Number(self?.startTime) + 1}-0123456789abcdef.tmp`; // our pid, but an earlier process
  const live = `.cell.yaml.${self?.pid}-${self?.startTime}-0123456789abcdef.tmp`;
  const others = ['cell.yaml', '.hidden.tmp', 'x.1-1-0123456789abcdef.tmp', '.x.1-1-0123456789ABCDEF.tmp'];
  for (const name of [stale, live, ...others]) writeFileSync(join(directory, name), '');
  expect(await removeStaleTemporaries(directory)).toEqual([stale]);
  expect(readdirSync(directory).sort()).toEqual([live, ...others].sort());
});

test('in place: the same file with other content, for those who have it mounted or open', async () => {
  const { directory, file } = scene('in-place');
  writeFileSync(file, 'a long first version');
  chmodSync(file, 0o640);
  const { ino } = statSync(file);
  await rewriteInPlace(file, 'short');
  expect([readFileSync(file, 'utf8'), mode(file), statSync(file).ino]).toEqual(['short', 0o640, ino]);
  await expect(rewriteInPlace(join(directory, 'none'), 'x')).rejects.toThrow('(ENOENT)');
  expect(existsSync(join(directory, 'none'))).toBe(false);
  symlinkSync('cell.yaml', join(directory, 'link'));
  await expect(rewriteInPlace(join(directory, 'link'), 'x')).rejects.toThrow('(ELOOP)');
  expect(readFileSync(file, 'utf8')).toBe('short');
});
