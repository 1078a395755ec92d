import { expect, test } from 'bun:test';
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openUnnamed, writeStreamed } from '../../../src/host/streamed-file.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const root = temporaryDirectory();
let count = 0;
/** An empty directory for one test. */
function scene(): { directory: string; file: string } {
  const directory = join(root, `${count++}`);
  mkdirSync(directory);
  return { directory, file: join(directory, 'a.tar') };
}

/** `seen` is told what is in the directory once there is something in the file. */
async function* parts(directory: string, seen: (names: string[]) => void = () => {}): AsyncGenerator<Uint8Array> {
  yield Buffer.from('one ');
  seen(readdirSync(directory));
  yield Buffer.from('two');
}

const unlike = async () => undefined; // a file system without O_TMPFILE

test.each([
  ['with O_TMPFILE', openUnnamed],
  ['without it', unlike],
])('a file is there whole, with the mode that the umask leaves, also in place of another: %s', async (_, make) => {
  const { directory, file } = scene();
  const umask = process.umask(0o027);
  try {
    await writeStreamed(file, parts(directory), make);
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['one two', 0o640]);
    writeFileSync(file, 'something longer than before');
    await writeStreamed(file, parts(directory), make);
  } finally {
    process.umask(umask);
  }
  expect([readFileSync(file, 'utf8'), readdirSync(directory)]).toEqual(['one two', ['a.tar']]);
});

test('until then it has no name, or one that nobody can guess', async () => {
  const { directory, file } = scene();
  const seen: string[] = [];
  await writeStreamed(
    file,
    parts(directory, names => void seen.push(...names)),
  );
  expect(seen).toEqual([]);
  await writeStreamed(
    file,
    parts(directory, names => void seen.push(...names)),
    unlike,
  );
  expect(seen.filter(name => name !== 'a.tar')).toEqual([expect.stringMatching(/^\.a\.tar\..*-[0-9a-f]{16}\.tmp$/)]);
});

test.each([
  ['with O_TMPFILE', openUnnamed],
  ['without it', unlike],
])('what is there stays as it is where the parts end with an error: %s', async (_, make) => {
  const { directory, file } = scene();
  writeFileSync(file, 'old');
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('new');
    throw new Error('no more');
  }
  await expect(writeStreamed(file, failing(), make)).rejects.toThrow('no more');
  expect([readFileSync(file, 'utf8'), readdirSync(directory)]).toEqual(['old', ['a.tar']]);
});

test('a link that somebody has put in its place is replaced, and what it leads to stays', async () => {
  const { directory, file } = scene();
  writeFileSync(join(directory, 'victim'), 'precious');
  for (const target of ['victim', 'nowhere']) {
    symlinkSync(target, `${file}.${target}`);
    await writeStreamed(`${file}.${target}`, parts(directory));
    expect(lstatSync(`${file}.${target}`).isFile()).toBe(true);
  }
  expect(readFileSync(join(directory, 'victim'), 'utf8')).toBe('precious');
});

test('what stands for a descriptor is written into', async () => {
  const { directory, file } = scene();
  const module = join(import.meta.dir, '../../../src/host/streamed-file.ts');
  const program = `const { writeStreamed } = await import(${JSON.stringify(module)});
    await writeStreamed('/dev/stdout', (async function* () { yield Buffer.from('one ') })());`;
  for (const redirected of [`> ${file}`, `>> ${file}`, `| cat >> ${file}`]) {
    const { exitCode } = Bun.spawnSync([
      'sh',
      '-c',
      `'${process.execPath}' -e '${program.replaceAll("'", '"')}' ${redirected}`,
    ]);
    expect(exitCode).toBe(0);
  }
  expect(readFileSync(file, 'utf8')).toBe('one one one ');
  expect(lstatSync('/dev/stdout').isSymbolicLink()).toBe(true);
  expect(readdirSync(directory)).toEqual(['a.tar']);
});

test('errors are in the kernel’s words', async () => {
  const { directory } = scene();
  const nowhere = writeStreamed(join(directory, 'none/a.tar'), parts(directory));
  await expect(nowhere).rejects.toThrow('none/a.tar: No such file or directory (ENOENT)');
});
