/** --dry-run changes nothing, and what --dry-run --explain prints does in a shell what kuke does (docs/plans.md). */
// containerd: once, since each of ctr's commands is held on every version by containerd-shim/runtime-lifecycle.test.ts
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { type Containerd, startContainerd } from '../containerd.ts';
import { output } from '../observe/command.ts';
import { containers, tasks } from '../observe/containerd.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { cell, container, loadImage, manifest, shell } from './cells.ts';
import { apply, binary, kuke, type Ran, run } from './kuke.ts';
import { kept } from './ready-host.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
  // The plugins of networks are in it.
  symlinkSync(binary, '/usr/local/bin/kuke');
});
afterAll(() => containerd.stop());

async function dryRun(args: string[], stdin = ''): Promise<string> {
  const before = await inventory();
  const { stdout, ...ended }: Ran = await run([...args, '--dry-run'], { stdin });
  expect(ended).toEqual({ status: 0, stderr: '' });
  // What runs goes about its own business.
  expect(difference(before, await inventory(), [/^process /])).toEqual([]);
  return stdout;
}

/** What the command would do, done by bash instead. */
async function byHand(args: string[], stdin = ''): Promise<void> {
  const script = await dryRun([...args, '--explain'], stdin);
  const bash = Bun.spawn(['bash', '-e'], { stdin: Buffer.from(script), stdout: 'pipe', stderr: 'pipe' });
  const [stdout, stderr, status] = await Promise.all([bash.stdout.text(), bash.stderr.text(), bash.exited]);
  // ctr tells what it removes, and how a task has ended.
  if (status !== 0) throw new Error(`${script}\n${stdout}${stderr}`);
}

const WEB = 'two_default_web_root';
const SIDE = 'two_default_web_side';
const TWO = [
  manifest('Space', 'two', { network: { ipv6: true } }),
  manifest('Space', 'three'),
  manifest('Stack', 'default', { spaceId: 'two' }),
  cell(
    'web',
    [
      shell('main', 'mkdir /www; echo "it runs" > /www/index.html; trap "exit 0" TERM; httpd -f -p 80 -h /www & wait', {
        ports: ['8080:80'],
      }),
      container('side', {
        command: ['/bin/sh', '-c', 'echo "$QUOTED {addresses 0}"; trap "exit 0" TERM; sleep 100000 & wait'],
        env: [`QUOTED=it's "so"`],
        networks: ['three'],
        capabilities: { add: ['net_admin'], drop: ['ALL'] },
        readOnlyRootFilesystem: true,
        tmpfs: [{ path: '/scratch', mode: '1777' }],
        resources: { hugepages: { '2Mi': '4Mi' } },
      }),
    ],
    { spaceId: 'two', resources: { hugepages: { '2Mi': '8Mi' } } },
  ),
]
  .map(one => JSON.stringify(one))
  .join('\n---\n');

let fresh: Inventory;
let ready: Inventory;

test('kuke init', async () => {
  fresh = await inventory();
  expect(await dryRun(['init'])).toContain('realm main created (dry run)\n');
  await byHand(['init']);
  expect(await kuke('init')).toBe(
    'realm main unchanged\nspace main/default unchanged\nstack main/default/default unchanged\n',
  );
  expect(await kuke('get', 'spaces')).toMatch(/default +Ready/);
  await loadImage();
  ready = await inventory();
});

test('kuke apply: spaces, a stack and a cell, which is there, can be reached and is limited', async () => {
  expect(await dryRun(['apply', '-f', '-'], TWO)).toContain('cell main/two/default/web created (dry run)\n');
  await byHand(['apply', '-f', '-'], TWO);

  const running = await tasks('kukeon-main');
  expect(running.map(({ id, status }) => [id, status]).sort()).toEqual([
    [WEB, 'RUNNING'],
    [SIDE, 'RUNNING'],
  ]);
  const pid = running.find(({ id }) => id === WEB)?.pid;
  const side = running.find(({ id }) => id === SIDE)?.pid;
  expect(readFileSync(`/proc/${side}/status`, 'utf8')).toContain('CapEff:\t0000000000001000\n'); // CAP_NET_ADMIN
  expect(readFileSync(`/proc/${side}/mounts`, 'utf8')).toMatch(/^tmpfs \/scratch tmpfs rw/m);
  const inside = JSON.parse(await output('nsenter', '-t', `${pid}`, '-n', 'ip', '-j', 'address'));
  const addressesOf = (name: string): string[] =>
    inside
      .find(({ ifname }: { ifname: string }) => ifname === name)
      .addr_info.filter(({ scope }: { scope: string }) => scope === 'global')
      .map(({ local }: { local: string }) => local);
  const [address = '', address6 = ''] = addressesOf('eth0');
  expect(address).toMatch(/^10\.89\./);
  expect(addressesOf('eth1')[0]).toMatch(/^10\.89\./);
  const curl = (url: string) => output('curl', '-s', '--noproxy', '*', '--retry', '20', '--retry-connrefused', url);
  expect(await curl(`http://${address}/`)).toBe('it runs\n');
  expect(await curl('http://127.0.0.1:8080/')).toBe('it runs\n');
  const hosts = readFileSync(`/proc/${pid}/root/etc/hosts`, 'utf8').split('\n');
  expect(hosts).toEqual(
    expect.arrayContaining([`${address}\tweb`, `${address6}\tweb`, `${addressesOf('eth1')[0]}\tweb`]),
  );
  expect(await output('nft', 'list', 'set', 'inet', 'kukeon', 'space_bridges')).toContain('"kuke-main-two"');

  const group = '/sys/fs/cgroup/kukeon/main/two/default/web';
  const read = (file: string) => readFileSync(`${group}/${file}`, 'utf8');
  expect([read('hugetlb.2MB.max'), read('side/hugetlb.2MB.max')]).toEqual(['8388608\n', '4194304\n']);
  expect(read('web_root/cgroup.procs')).toContain(`${pid}\n`);
  expect(readFileSync('/var/log/kukeon/main/two/default/web/side.log', 'utf8')).toBe(`it's "so" {addresses 0}\n`);
});

test('kuke takes what was made by hand for its own', async () => {
  expect(await apply(TWO)).toBe(
    ['space main/two', 'space main/three', 'stack main/two/default', 'cell main/two/default/web']
      .map(one => `${one} unchanged\n`)
      .join(''),
  );
  expect(await kuke('get', 'cells', '--space', 'two')).toMatch(/web +Ready +2\/2/);
});

test('kuke stop, start and delete', async () => {
  const statuses = async () => (await tasks('kukeon-main')).map(({ status }) => status);
  await byHand(['stop', 'cell', 'web', '--space', 'two']);
  expect(await statuses()).toEqual(['STOPPED', 'STOPPED']);
  expect(existsSync(`/run/netns`) ? (await output('ip', 'netns', 'list')).trim() : '').toBe('');
  await byHand(['start', 'cell', 'web', '--space', 'two']);
  expect(await statuses()).toEqual(['RUNNING', 'RUNNING']);
  for (const space of ['two', 'three']) await byHand(['delete', 'space', space, '--cascade']);
  expect(await containers('kukeon-main')).toEqual([]);
  expect(difference(ready, await inventory(), [...kept, ...others])).toEqual([]);
});

test('kuke image tag, rm, load and prune: what is brought by hand is kuke’s', async () => {
  const names = async () => (await kuke('image', 'ls', '-q')).trim().split('\n');
  const [image = ''] = await names();
  await kuke('image', 'save', image, '-o', '/run/saved.tar');
  await byHand(['image', 'tag', image, 'mine:1']);
  expect(await names()).toEqual(['docker.io/library/mine:1', image].sort());
  await byHand(['image', 'rm', 'mine:1', image]);
  expect(await kuke('image', 'ls')).toBe('');
  expect(await dryRun(['image', 'load', '-i', '/run/saved.tar'])).toBe(`loaded ${image} (dry run)\n`);
  await byHand(['image', 'load', '-i', '/run/saved.tar']);
  expect(await names()).toEqual([image]);
  await byHand(['image', 'prune', '--all']);
  expect(await kuke('image', 'ls')).toBe('');
  await kuke('image', 'load', '-i', '/run/saved.tar');
});

test('what kuke has made goes by hand, all of it', async () => {
  await apply(TWO);
  await byHand(['uninstall']);
  expect(difference(fresh, await inventory(), [...kept, ...others])).toEqual([]);
  expect(await kuke('uninstall')).toContain('nothing to remove');
});

/** What ctr and its shim leave, and what kuke itself did when it was asked whether all was well. */
const others = [
  /^cgroup kukeon-main$/,
  /^file \/run\/containerd\/s\//,
  /^file \/opt\/kukeon\/\.kuke\/journal\/$/,
  /^file \/run\/kukeon\/\w+\.lock$/,
  /^file \/var\/log\/kukeon\/audit\.jsonl$/,
];
