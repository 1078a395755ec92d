import { expect, test } from 'bun:test';
import { baseName, innerPath, readCopy } from '../../../../src/cli/cp/places.ts';
import { commandsFor, planCopy } from '../../../../src/cli/cp/plan.ts';

test.each([
  ['site', 'web:/srv', { isUpload: true, cell: 'web', inner: '/srv', local: 'site' }],
  ['web:etc/hosts', '-', { isUpload: false, cell: 'web', inner: 'etc/hosts', local: '-' }],
  ['./a:b', 'web:/a:b', { isUpload: true, cell: 'web', inner: '/a:b', local: './a:b' }],
])('%s to %s', (source, target, copy) => {
  expect(readCopy(source, target)).toEqual(copy);
});

test.each([
  ['a:/x', 'b:/y', 'from one container to another'],
  ['x', './y:z', 'is in a cell'],
  ['web:', '.', 'no path'],
])('%s to %s is refused', (source, target, why) => {
  expect(() => readCopy(source, target)).toThrow(why);
});

test('paths', () => {
  expect(['', '/', 'a/./b//', '../../a', '/a/../b'].map(innerPath)).toEqual(['/', '/', '/a/b', '/a', '/b']);
  expect(['a/b/', '/', '.', '..', './x'].map(baseName)).toEqual(['b', 'files', 'files', 'files', 'x']);
});

const there: Record<string, 'file' | 'folder' | 'other'> = {
  '/': 'folder',
  '/srv': 'folder',
  '/srv/': 'folder',
  '/srv/page': 'file',
  '/dev': 'folder',
  '/dev/null': 'other',
};
const whatIs = (path: string) => there[path] ?? null;
const planned = (source: string, target: string, local: 'file' | 'folder' | 'other' | null = null) =>
  planCopy(readCopy(source, target), whatIs, local);

test('as cp(1) has it: into a folder that is there, else in the place of what is there', () => {
  expect(planned('x/site', 'web:/srv', 'folder').to).toBe('/srv/site');
  expect(planned('x/site', 'web:/srv/new', 'folder')).toMatchObject({ folder: '/srv', name: 'new', to: '/srv/new' });
  expect(planned('page', 'web:/srv/page', 'file').to).toBe('/srv/page');
  expect(planned('page', 'web:/', 'file').to).toBe('/page');
  expect(planned('-', 'web:/srv')).toMatchObject({ folder: '/srv', name: undefined });
  expect(planned('web:/srv', 'got', 'folder')).toMatchObject({ name: 'srv', isInto: true, to: 'got/srv' });
  expect(planned('web:/srv', 'got')).toMatchObject({ name: 'got', isInto: false, to: 'got' });
  expect(planned('web:/srv', '-')).toMatchObject({ name: 'srv' });
  for (const [source, target] of [
    ['x', 'web:/no/x'],
    ['x', 'web:/no/'],
    ['-', 'web:/srv/page'],
    ['web:/no', 'x'],
  ] as const)
    expect(() => planned(source, target)).toThrow(/no folder|not there/);
});

test.each([
  ['web:/dev/null', 'got', null],
  ['web:/dev/null', '-', null],
  ['web:/srv/page', '/dev/null', 'other'],
  ['/dev/zero', 'web:/srv', 'other'],
  ['page', 'web:/dev/null', 'file'],
] as const)('%s to %s: a device is neither copied nor replaced', (source, target, local) => {
  expect(() => planned(source, target, local)).toThrow(/^\/dev\/(null|zero) is no file, folder or link$/);
});

test('the commands that a person would type', () => {
  const commands = (source: string, target: string) =>
    commandsFor(planned(source, target), readCopy(source, target).local, 'kukeon-main', 'a_b_root').split('\n');
  const [root, ...rest] = commands('it is', 'web:/srv');
  expect(root).toContain('ctr -n kukeon-main tasks ls');
  expect(rest).toEqual(["cp -rT 'it is' \"$ROOT\"'/srv/it is'"]);
  expect(commands('web:/srv', '-').slice(1)).toEqual(['tar -C "$ROOT"/ -c srv']);
});
