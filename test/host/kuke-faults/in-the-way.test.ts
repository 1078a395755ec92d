// containerd: once, since only the container in the way is its, and those of all versions are told apart alike.
/** Things that are not kuke's where something of kuke's belongs: told by name, left as they are, and nothing is made beside them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, rmdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Containerd } from '../containerd.ts';
import { cell, IMAGE, manifest } from '../kuke/cells.ts';
import { apply, kuke, run, tryApply } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import { containers, ctr } from '../observe/containerd.ts';
import { networkNamespaces } from '../observe/network.ts';
import { alsoFailed, failure, leavingNothing } from './failures.ts';
import { warmHost } from './warm-host.ts';

let containerd: Containerd;
/** Where the cell's network namespace is. */
let netns: string;
beforeAll(async () => {
  containerd = await warmHost();
  await apply(cell('web'));
  netns = `/run/netns/${(await networkNamespaces())[0]}`;
  await kuke('delete', 'cell', 'web', '--cascade', '--force');
});
afterAll(() => containerd.stop());

/** What a test has put in the way goes also when it fails. */
let clearing: (() => unknown)[] = [];
afterEach(async () => {
  for (const clear of clearing.reverse()) await clear();
  clearing = [];
});

async function obstacle(make: () => unknown, clear: () => unknown): Promise<void> {
  await make();
  clearing.push(clear);
}

const file = (path: string, content = 'mine') =>
  obstacle(
    () => writeFileSync(path, content),
    () => rmSync(path),
  );
const folder = (path: string) =>
  obstacle(
    () => mkdirSync(path),
    () => rmdirSync(path),
  );
const link = (name: string, ...kind: string[]) =>
  obstacle(
    () => output('ip', 'link', 'add', name, ...kind),
    () => output('ip', 'link', 'delete', name),
  );

/** Without the obstacle it goes well. */
async function thenWell(): Promise<void> {
  for (const clear of clearing.reverse()) await clear();
  clearing = [];
  expect(await tryApply(cell('web'))).toMatchObject({ status: 0, stderr: '' });
  await kuke('delete', 'cell', 'web', '--cascade', '--force');
}

async function refusedCell(...says: (string | RegExp)[]): Promise<void> {
  failure(await leavingNothing(() => tryApply(cell('web'))), 4, 'cell main/default/default/web: ', ...says);
}

describe('of a cell', () => {
  const itsFolder = '/opt/kukeon/main/default/default/web';

  test('a cgroup', async () => {
    const path = '/sys/fs/cgroup/kukeon/main/default/default/web';
    await folder(path);
    await refusedCell(`${path} exists and is not kuke's`, `rmdir ${path}`);
    await thenWell();
  });

  test.each<[string, string, string[], string[]]>([
    ['a bridge', 'there is a bridge', ['type', 'bridge'], ['192.0.2.1/24']],
    ['a bridge without an address', 'there is a bridge', ['type', 'bridge'], []],
    ['a veth', 'there is a link of kind veth', ['type', 'veth', 'peer', 'name', 'other-end'], ['192.0.2.1/24']],
  ])('%s of the space’s name', async (_, says, kind, addresses) => {
    const conflist = JSON.parse(readFileSync('/etc/cni/net.d/main-default.conflist', 'utf8'));
    const bridge: string = conflist.plugins[0].bridge;
    await output('ip', 'link', 'delete', bridge);
    await link(bridge, ...kind);
    for (const address of addresses) await output('ip', 'address', 'add', address, 'dev', bridge);
    await refusedCell(`attach to network main-default: ${says} ${bridge} that is not`, `ip link show ${bridge}`);
    await thenWell();
  });

  test('a file where its network namespace belongs', async () => {
    await file(netns);
    await refusedCell(`${netns} is there and is no network namespace`, 'move that file away');
    expect(readFileSync(netns, 'utf8')).toBe('mine');
    await thenWell();
  });

  test('a file where its folder belongs', async () => {
    await file(itsFolder);
    await refusedCell(`${itsFolder} is a file where a folder belongs`, 'move it away');
    failure(await leavingNothing(() => run(['delete', 'cell', 'web'])), 3, 'not found');
    const { status, stderr } = await run(['get', 'cells']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining(`warning: ${itsFolder}: `) });
    await thenWell();
  });

  test('a link where its folder belongs is not followed', async () => {
    await folder('/tmp/elsewhere');
    await obstacle(
      () => symlinkSync('/tmp/elsewhere', itsFolder),
      () => unlinkSync(itsFolder),
    );
    await refusedCell(`${itsFolder} is a symbolic link where a folder belongs`);
    await thenWell();
  });

  test('a file where its etc-files belong', async () => {
    await file('/opt/kukeon/.kuke/etc');
    await refusedCell('/opt/kukeon/.kuke/etc is a file where a folder belongs');
    await thenWell();
  });

  test.each<[string, (path: string) => unknown]>([
    ['a folder', path => mkdirSync(path)],
    ['a pipe', path => output('mkfifo', path)],
    ['a link', path => symlinkSync('/etc/passwd', path)],
  ])('%s where its log belongs', async (_, make) => {
    const path = '/var/log/kukeon/main/default/default/web/main.log';
    const passwd = readFileSync('/etc/passwd', 'utf8');
    await obstacle(
      () => mkdirSync(dirname(path), { recursive: true }),
      () => rmSync('/var/log/kukeon/main', { recursive: true, force: true }),
    );
    await make(path);
    failure(await tryApply(cell('web')), 4, 'cell main/default/default/web: start container', path);
    expect(readFileSync('/etc/passwd', 'utf8')).toBe(passwd);
    await thenWell();
  });

  test('a container of its id', async () => {
    const id = 'default_default_web_root';
    await obstacle(
      () => ctr('kukeon-main', ['containers', 'create', IMAGE, id]),
      () => ctr('kukeon-main', ['containers', 'rm', id]),
    );
    const theirs = await ctr('kukeon-main', ['containers', 'info', id]);
    await refusedCell(`container ${id} exists in kukeon-main and is not kuke`);
    expect(await ctr('kukeon-main', ['containers', 'info', id])).toBe(theirs);
    await thenWell();
  });
});

describe('of a space', () => {
  const refusedSpace = async (...says: (string | RegExp)[]) =>
    failure(await leavingNothing(() => run(['create', 'space', 'x'])), 4, 'space main/x: ', ...says);
  const conflist = '/etc/cni/net.d/main-x.conflist';
  const theirs = '{"cniVersion":"1.0.0","name":"main-x","plugins":[{"type":"bridge"}]}';

  test.each<[string, string, string]>([
    ['of others', theirs, 'is not this installation'],
    ['that is no conflist', 'garbage', 'not JSON'],
    ['that is empty', '', 'the text is empty'],
  ])('a conflist %s', async (_, content, says) => {
    await file(conflist, content);
    await refusedSpace(conflist, says, 'move that file away');
    expect(readFileSync(conflist, 'utf8')).toBe(content);
  });

  test('a network of its name in another file', async () => {
    await file('/etc/cni/net.d/10-other.conflist', theirs);
    await refusedSpace('/etc/cni/net.d/10-other.conflist');
  });

  test('a folder where its conflist belongs', async () => {
    await folder(conflist);
    await refusedSpace(conflist);
  });

  test('a bridge', async () => {
    await link('kuke-main-x', 'type', 'bridge');
    await refusedSpace('there is a bridge kuke-main-x that is not this space', 'ip link show kuke-main-x');
  });

  test('somebody’s cgroup', async () => {
    await folder('/sys/fs/cgroup/kukeon/main/x');
    await refusedSpace("/sys/fs/cgroup/kukeon/main/x exists and is not kuke's");
  });

  test('an address range that is in use', async () => {
    const route = ['unreachable', '10.90.16.0/24'];
    await obstacle(
      () => output('ip', 'route', 'add', ...route),
      () => output('ip', 'route', 'delete', ...route),
    );
    const space = manifest('Space', 'x', { network: { subnet: '10.90.16.0/20' } });
    const ran = await leavingNothing(() => tryApply(space));
    failure(ran, 4, 'space main/x: ', '10.90.16.0/20 overlaps 10.90.16.0/24', 'take another range');
  });
});

describe('of a realm', () => {
  const theirs = () =>
    obstacle(
      () => ctr('kukeon-lab', ['containers', 'create', '--rootfs', '/', 'theirs']),
      () => ctr('kukeon-lab', ['containers', 'rm', 'theirs']),
    );

  test('a containerd namespace with other people’s objects is neither taken nor deleted', async () => {
    await obstacle(
      () => ctr('default', ['namespaces', 'create', 'kukeon-lab']),
      () => ctr('default', ['namespaces', 'rm', 'kukeon-lab']),
    );
    await theirs();
    await leavingNothing(async () => {
      const ran = await run(['create', 'realm', 'lab']);
      failure(ran, 4, 'realm lab: ', 'containerd namespace kukeon-lab exists and is not this kuke');
      expect(alsoFailed(ran)).toEqual([]);
      failure(await run(['delete', 'realm', 'lab']), 3, 'not found');
    });
    expect(await containers('kukeon-lab')).toEqual(['theirs']);
  });

  test('other people’s objects in a realm’s namespace keep the realm', async () => {
    await leavingNothing(async () => {
      await kuke('create', 'realm', 'lab');
      await theirs();
      for (const flags of [[], ['--cascade', '--force']]) {
        const ran = await run(['delete', 'realm', 'lab', ...flags]);
        failure(ran, 4, 'realm lab: ', 'still holds container theirs', 'ctr -n kukeon-lab');
        expect(await containers('kukeon-lab')).toEqual(['theirs']);
      }
      for (const clear of clearing.splice(0)) await clear();
      await kuke('delete', 'realm', 'lab');
    });
  });

  test('the namespace of another realm', async () => {
    const realm = manifest('Realm', 'lab', { namespace: 'kukeon-main' });
    failure(await leavingNothing(() => tryApply(realm)), 4, 'realm lab: ', "kukeon-main is realm main's");
  });
});
