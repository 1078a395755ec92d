import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { changeableByOthers } from '../../../src/host/trusted-path.ts';
import * as trustedPath from '../../../src/kernel/trusted-path.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-trusted-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const refuseWritable = (path: string) => trustedPath.refuseWritable(path, changeableByOthers);
let count = 0;
let folder: string;
beforeEach(() => {
  folder = join(top, String(++count), 'plugin');
  mkdirSync(join(folder, 'lib'), { recursive: true, mode: 0o755 });
  for (const file of ['index.ts', 'lib/code.ts']) {
    writeFileSync(join(folder, file), '');
    chmodSync(join(folder, file), 0o644);
  }
});

/** Made with these rights whatever the umask is. */
function foreign(path: string, mode: number): string {
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
  return path;
}

describe('refuseWritable', () => {
  test('lets pass what only we can change', () => {
    refuseWritable(folder);
    chmodSync(join(folder, 'index.ts'), 0o755);
    symlinkSync('index.ts', join(folder, 'link.ts'));
    symlinkSync('nowhere', join(folder, 'dangling'));
    symlinkSync('..', join(folder, 'lib', 'round'));
    refuseWritable(folder);
  });

  test.each([
    ['.', 0o775],
    ['.', 0o757],
    ['lib', 0o777],
    ['lib', 0o1777],
    ['index.ts', 0o664],
    ['lib/code.ts', 0o646],
    ['..', 0o777],
  ])('%s with mode %o is refused, and named', (name, mode) => {
    const path = join(folder, name);
    chmodSync(path, mode);
    expect(() => refuseWritable(folder)).toThrow(`${path} can be changed by others`);
  });

  test('in a folder for all, where each has their own, it is safe', () => {
    chmodSync(join(folder, '..'), 0o1777);
    refuseWritable(folder);
  });

  test('but not by a link in it, which may be another name for one of ours', () => {
    const shared = foreign(join(top, String(count), 'shared'), 0o1777);
    symlinkSync(folder, join(shared, 'link'));
    expect(() => refuseWritable(join(shared, 'link'))).toThrow(`${shared} can be changed by others`);
  });

  test('what a link leads to counts, and all around that', () => {
    const elsewhere = foreign(join(top, String(count), 'elsewhere'), 0o755);
    writeFileSync(join(elsewhere, 'code.ts'), '');
    chmodSync(join(elsewhere, 'code.ts'), 0o644);
    symlinkSync(elsewhere, join(folder, 'vendor'));
    refuseWritable(folder);
    chmodSync(elsewhere, 0o777);
    expect(() => refuseWritable(folder)).toThrow(`${elsewhere} can be changed by others`);
    chmodSync(elsewhere, 0o755);
    chmodSync(join(elsewhere, 'code.ts'), 0o666);
    expect(() => refuseWritable(folder)).toThrow(`${elsewhere}/code.ts can be changed by others`);
  });

  test('reached by a link it is no safer', () => {
    const link = join(top, String(count), 'link');
    symlinkSync(folder, link);
    refuseWritable(link);
    chmodSync(join(folder, 'index.ts'), 0o666);
    expect(() => refuseWritable(link)).toThrow(`${folder}/index.ts can be changed by others`);
    chmodSync(join(folder, 'index.ts'), 0o644);
    chmodSync(join(folder, '..'), 0o777);
    expect(() => refuseWritable(link)).toThrow('can be changed by others');
  });
});
