// through kukeond, too
// containerd: once, since the runtime's suite holds what it takes of each: the root of a running container.
/** cp: files and folders into a container and out of it, and never anywhere else. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { output } from '../observe/command.ts';
import { cell, container, inContainer, pidsOf } from './cells.ts';
import { apply, binary, failing, kuke, run } from './kuke.ts';
import { type ReadyHost, readyHost } from './ready-host.ts';

let host: ReadyHost;
let folder: string;
let root: string;
beforeAll(async () => {
  host = await readyHost();
  await apply(cell('web', [container('main'), container('side')]));
  root = `/proc/${(await pidsOf('web')).main}/root`;
  folder = mkdtempSync('/tmp/kuke-cp-');
  mkdirSync(join(folder, 'site/sub'), { recursive: true });
  writeFileSync(join(folder, 'site/page'), '<p>');
  writeFileSync(join(folder, 'site/sub/large'), Buffer.alloc(3_000_000, 'x'));
  writeFileSync(join(folder, 'site/run'), '#!/bin/sh\necho ran\n');
  chmodSync(join(folder, 'site/run'), 0o750);
  symlinkSync('../page', join(folder, 'site/sub/link'));
});
afterAll(() => host.containerd.stop());

/** In that folder, as a person would. */
const cp = (...argv: string[]) => run(['cp', ...argv], { cwd: folder });

test('a folder goes in, and comes out as it was', async () => {
  const { status, stdout, stderr } = await cp('site', 'web:/srv');
  expect([status, stdout, stderr]).toEqual([0, '', 'copied site to web:/srv/site (3 files, 3.0 MB)\n']);
  expect(readFileSync(`${root}/srv/site/page`, 'utf8')).toBe('<p>');
  expect(statSync(`${root}/srv/site/run`).mode & 0o7777).toBe(0o750);
  expect(readlinkSync(`${root}/srv/site/sub/link`)).toBe('../page');
  expect(statSync(`${root}/srv/site/sub/large`)).toMatchObject({ uid: 0, gid: 0, size: 3_000_000 });
  expect((await cp('web:/srv/site', 'back', '-q')).stderr).toBe('');
  await output('diff', '-r', '--no-dereference', join(folder, 'site'), join(folder, 'back'));
  mkdirSync(join(folder, 'into'));
  expect((await cp('web:/srv/site/page', 'into')).status).toBe(0);
  expect(readdirSync(join(folder, 'into'))).toEqual(['page']);
  // In the place of what is there, in another container of the cell.
  writeFileSync(join(folder, 'page'), 'anew');
  expect((await cp('page', 'web:/srv/file', '-c', 'side')).status).toBe(0);
  expect(readFileSync(`/proc/${(await pidsOf('web')).side}/root/srv/file`, 'utf8')).toBe('anew');
  expect(readFileSync(`${root}/srv/file`, 'utf8')).toBe('from the image\n');
  // What was only read has changed nothing.
  const lines = readFileSync('/var/log/kukeon/audit.jsonl', 'utf8').trim().split('\n');
  const copies = lines.map(line => JSON.parse(line)).filter(({ command }) => command.startsWith('kuke cp '));
  expect(copies.map(({ command, resources }) => [command, resources])).toEqual(
    ['kuke cp site web:/srv', 'kuke cp page web:/srv/file -c side'].map(line => [
      line,
      [{ resource: 'cell main/default/default/web', result: 'copied into' }],
    ]),
  );
});

test('a file that is a mount of its own is written into, and stays one', async () => {
  const mounts = () => inContainer(pid, 'grep " /etc/hosts " /proc/mounts');
  const pid = (await pidsOf('web')).main ?? 0;
  const before = await mounts();
  expect(before).not.toBe('');
  writeFileSync(join(folder, 'hosts'), '127.0.0.1 localhost\n192.0.2.1 added\n');
  expect((await cp('hosts', 'web:/etc/hosts')).status).toBe(0);
  expect(await mounts()).toBe(before);
  expect(await inContainer(pid, 'cat /etc/hosts')).toContain('192.0.2.1 added');
  symlinkSync('/nowhere', join(folder, 'link'));
  const link = await output(
    'bash',
    '-c',
    `cd ${folder}; mv link hostname; tar -c hostname | "$0" cp - web:/etc 2>&1; true`,
    binary,
  );
  expect(link).toContain('EBUSY');
});

test('archives, by pipes', async () => {
  const pipe = '"$0" cp web:/srv/file - | tar -xO file; tar -C site -c page | "$0" cp - web:/tmp -q';
  expect(await output('bash', '-c', `set -o pipefail; cd ${folder}; ${pipe}`, binary)).toBe('from the image\n');
  expect(readFileSync(`${root}/tmp/page`, 'utf8')).toBe('<p>');
  const broken = await run(['cp', '-', 'web:/tmp'], { stdin: 'no archive' });
  expect(broken.status).toBe(1);
});

test('links in the container lead nowhere but in it', async () => {
  writeFileSync('/host-secret', 'of the host');
  mkdirSync('/host-folder', { recursive: true });
  await inContainer(
    (await pidsOf('web')).main ?? 0,
    'ln -s /host-secret /away; ln -s /host-folder /folder; ln -s ../../../host-folder /srv/up; ln -s /srv/file /good',
  );
  expect((await cp('web:/away', 'stolen')).status).toBe(3);
  expect((await cp('web:/good', 'good')).status).toBe(0);
  expect(readFileSync(join(folder, 'good'), 'utf8')).toBe('from the image\n');
  for (const target of ['web:/folder/planted', 'web:/srv/up/planted', 'web:/../../host-folder/planted'])
    expect((await cp('page', target)).status).toBe(3);
  // A folder whose name is a link there already is not laid through it.
  mkdirSync(join(folder, 'folder'));
  writeFileSync(join(folder, 'folder/planted'), 'x');
  expect((await cp('folder', 'web:/')).status).not.toBe(0);
  expect(readdirSync('/host-folder')).toEqual([]);
  expect(existsSync(join(folder, 'stolen'))).toBe(false);
});

test('what it would do, and the commands for it', async () => {
  expect((await cp('page', 'web:/srv/dry', '--dry-run')).stderr).toBe('would copy page to web:/srv/dry\n');
  const script = await cp('page', 'web:/srv/dry', '--dry-run', '--explain');
  expect(existsSync(`${root}/srv/dry`)).toBe(false);
  await output('bash', '-c', `cd ${folder}; ${script.stdout}`);
  expect(readFileSync(`${root}/srv/dry`, 'utf8')).toBe('anew');
});

test('what it cannot do is told', async () => {
  expect(await failing(2, 'cp', 'a', 'b')).toContain('CELL:PATH');
  expect(await failing(2, 'cp', 'web:/a', 'web:/b')).toContain('kuke cp - B:PATH');
  expect(await failing(2, 'cp', '/nowhere', 'web:/srv')).toContain('/nowhere: no such file');
  expect(await failing(2, 'cp', 'web:/srv', '/nowhere/at/all')).toContain('no such folder');
  expect(await failing(3, 'cp', 'web:/nowhere', '/tmp')).toContain('/nowhere is not there');
  expect(await failing(3, 'cp', '/etc/hostname', 'web:/no/where')).toContain('/no is no folder there');
  expect(await failing(2, 'cp', 'web:/dev/zero', '/tmp/zero')).toContain('/dev/zero is no file, folder or link');
  expect(await failing(2, 'cp', 'web:/srv/file', '/dev/null')).toContain('/dev/null is no file, folder or link');
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  expect(await failing(1, 'cp', '/etc/hostname', 'web:/proc/x')).toMatch(/ \/proc\/x: No such file or directory/);
  expect(await failing(3, 'cp', 'wbe:/srv', '/tmp')).toContain('`web`');
  expect(await failing(3, 'cp', 'web:/srv', '/tmp', '-c', 'sid')).toContain('did you mean `side`?');
  await kuke('stop', 'cell', 'web');
  expect(await failing(4, 'cp', 'web:/srv', '/tmp')).toContain('kuke start cell web');
});
