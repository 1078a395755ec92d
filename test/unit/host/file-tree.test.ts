import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packIn, packPath, unpackIn, unpackTo, whatIsIn } from '../../../src/host/file-tree/places.ts';
import { type TarMember, tarEnd, tarHeader, tarPadding } from '../../../src/host/file-tree/tar-header.ts';

let folder: string;
/** Of a container, as its image or its processes have made it. */
let root: number;
const at = (path: string) => join(folder, path);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-tree-'));
  mkdirSync(at('root'));
  mkdirSync(at('own'));
  root = openSync(at('root'), constants.O_RDONLY | constants.O_DIRECTORY);
});
afterEach(() => {
  closeSync(root);
  rmSync(folder, { recursive: true });
});

const put = (path: string, text: string, mode = 0o644) => {
  writeFileSync(at(path), text);
  chmodSync(at(path), mode);
};
const heard = () => {
  const names: string[] = [];
  return { names, skipped: (name: string) => void names.push(name) };
};
const never = (name: string): void => {
  throw new Error(`${name} is left out`);
};

const file = (name: string, text: string): Uint8Array[] => {
  const body = Buffer.from(text);
  return [tarHeader({ name, type: 'file', mode: 0o644, size: body.length, mtime: 1 }), body, tarPadding(body.length)];
};
const other = (name: string, type: TarMember['type'], target?: string): Uint8Array[] => [
  tarHeader({ name, type, mode: 0o755, size: 0, mtime: 1, ...(target !== undefined && { target }) }),
];
async function* archive(...members: Uint8Array[][]): AsyncGenerator<Uint8Array, void> {
  yield* members.flat();
  yield tarEnd();
}
const unpack = (...members: Uint8Array[][]) => unpackIn(root, '/', archive(...members), never);

test('a folder goes there and comes back as it was: names, bytes, permissions, times, links', async () => {
  mkdirSync(at('own/site/empty'), { recursive: true });
  const long = `${'ü'.repeat(60)}/${'n'.repeat(200)}`;
  mkdirSync(at(`own/site/${'ü'.repeat(60)}`));
  put(`own/site/${long}`, 'long name');
  put('own/site/a', 'text', 0o640);
  put('own/site/none', '');
  put('own/site/run', '#!/bin/sh\n', 0o4755);
  writeFileSync(at('own/site/large'), Buffer.alloc(200_001, 'l'));
  symlinkSync('../a', at('own/site/empty/link'));
  symlinkSync(`/nowhere/${'t'.repeat(150)}`, at('own/site/dangling'));
  chmodSync(at('own/site/empty'), 0o500);
  utimesSync(at('own/site/a'), 1_000_000, 1_000_000);
  utimesSync(at('own/site/empty'), 2_000_000, 2_000_000);
  mkdirSync(at('root/srv'));
  expect(await unpackIn(root, '/srv', packPath(at('own/site'), 'site', never), never)).toEqual({
    files: 5,
    bytes: 200_024,
  });
  expect(await unpackTo(at('own/back'), false, packIn(root, '/srv/site', 'back', never), never)).toMatchObject({
    files: 5,
  });
  for (const place of ['root/srv/site', 'own/back']) {
    expect(readFileSync(at(`${place}/${long}`), 'utf8')).toBe('long name');
    expect(readFileSync(at(`${place}/large`), 'utf8')).toBe('l'.repeat(200_001));
    expect(readlinkSync(at(`${place}/empty/link`))).toBe('../a');
    expect(readlinkSync(at(`${place}/dangling`))).toBe(`/nowhere/${'t'.repeat(150)}`);
    const modes = ['a', 'none', 'run', 'empty'].map(name => statSync(at(`${place}/${name}`)).mode & 0o7777);
    expect(modes).toEqual([0o640, 0o644, 0o755, 0o500]); // and nothing setuid
    expect(['a', 'empty'].map(name => statSync(at(`${place}/${name}`)).mtimeMs)).toEqual([1e9, 2e9]);
  }
  // As others read it, too.
  const parts: Uint8Array[] = [];
  for await (const part of packIn(root, '/srv/site', 'site', never)) parts.push(part.slice());
  const listed = Bun.spawnSync(['tar', '--list'], { stdin: Buffer.concat(parts), env: { LC_ALL: 'C.UTF-8' } });
  expect(listed.stderr.toString()).toBe('');
  expect(listed.stdout.toString()).toContain('site/large\n');
});

test('an archive of tar(1), with hard links, lies over what is there', async () => {
  put('own/one', 'one');
  linkSync(at('own/one'), at('own/two'));
  mkdirSync(at('root/srv'));
  put('root/srv/one', 'before, and longer');
  put('root/srv/stays', 'stays');
  const { stdout } = Bun.spawnSync(['tar', '-C', at('own'), '-c', 'one', 'two']);
  const chunks = (async function* () {
    yield new Uint8Array(stdout);
  })();
  await unpackIn(root, '/srv', chunks, never);
  expect(readdirSync(at('root/srv')).sort()).toEqual(['one', 'stays', 'two']);
  expect(readFileSync(at('root/srv/two'), 'utf8')).toBe('one');
  expect(statSync(at('root/srv/one')).ino).toBe(statSync(at('root/srv/two')).ino);
});

test('what is neither file, folder nor link is left out, and told of', async () => {
  Bun.spawnSync(['mkfifo', at('own/pipe')]);
  const { names, skipped } = heard();
  await unpackIn(root, '/', packPath(at('own'), 'own', skipped), never);
  expect(names).toEqual(['own/pipe']);
  expect(readdirSync(at('root/own'))).toEqual([]);
});

describe('nothing leads out', () => {
  test('of a root: its links are what they are in it', async () => {
    put('own/secret', 'of the host');
    put('root/inside', 'of the container');
    symlinkSync(at('own/secret'), at('root/direct'));
    symlinkSync('../../../own/secret', at('root/relative'));
    symlinkSync('/inside', at('root/good'));
    symlinkSync('/own', at('root/away'));
    expect(['/direct', '/relative', '/away', '/../own/secret'].map(path => whatIsIn(root, path))).toEqual(
      Array(4).fill(null),
    );
    expect(whatIsIn(root, '/good')).toBe('file');
    await unpackTo(at('own/got'), false, packIn(root, '/good', 'got', never), never);
    expect(readFileSync(at('own/got'), 'utf8')).toBe('of the container');
    const missing = packIn(root, '/direct', 'x', never).next();
    await expect(missing).rejects.toThrow('ENOENT');
  });

  test.each([
    ['by its name', [file('../own/planted', 'x')]],
    ['by an absolute link before it', [other('link', 'symlink', '/'), file('link/tmp/kuke-planted', 'x')]],
    ['by a link that goes up', [other('link', 'symlink', '../own'), file('link/planted', 'x')]],
    [
      'by a folder over a link',
      [other('link', 'symlink', '../own'), other('link', 'folder'), file('link/planted', 'x')],
    ],
  ])('of a folder that is unpacked into, %s', async (_, members) => {
    await expect(unpack(...members)).rejects.toThrow();
    expect(existsSync(at('own/planted'))).toBe(false);
    expect(existsSync('/tmp/kuke-planted')).toBe(false);
  });

  test('a link in the place of a file is replaced, and not written through', async () => {
    put('own/victim', 'as it was');
    symlinkSync(at('own/victim'), at('root/file'));
    await unpack(file('file', 'new'));
    expect(readFileSync(at('own/victim'), 'utf8')).toBe('as it was');
    expect(lstatSync(at('root/file')).isFile()).toBe(true);
  });

  test('to one path: what is another’s in the archive is refused', async () => {
    await expect(
      unpackTo(at('own/mine'), false, archive(file('mine', 'x'), file('.bashrc', 'x')), never),
    ).rejects.toThrow('`.bashrc` in the archive is not `mine`');
    expect(readdirSync(at('own'))).toEqual(['mine']);
  });
});

test('a file that cannot take its place, and an archive that ends too early, leave nothing half', async () => {
  mkdirSync(at('root/there'));
  put('root/there/child', 'x');
  await expect(unpack(file('there', 'text'))).rejects.toThrow(/EISDIR|directory/i);
  const whole = Buffer.concat(file('cut', 'y'.repeat(2000)));
  const cut = (async function* () {
    yield new Uint8Array(whole.subarray(0, 1000));
  })();
  await expect(unpackIn(root, '/', cut, never)).rejects.toThrow();
  expect(readdirSync(at('root'))).toEqual(['there']);
});
