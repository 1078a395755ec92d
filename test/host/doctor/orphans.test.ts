// containerd: once, since what is left over looks alike in all versions.
/** What is left over, each made by hand: `kuke doctor` names it, `--fix` takes it away, and what is of cells or of others stays. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setAttribute } from '../../../plugins/cgroup-v2/attribute.ts';
import { connect } from '../../../plugins/containerd-shim/client/index.ts';
import { instanceTag } from '../../../src/kernel/instance-tag.ts';
import type { Containerd } from '../containerd.ts';
import { cell, container, logged, pidsOf, stateOf } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { apply, run } from '../kuke/kuke.ts';
import { at, installKiller } from '../kuke-faults/killer.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { output } from '../observe/command.ts';
import { ctr } from '../observe/containerd.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { doctor, fixAll } from './diagnosis.ts';

let containerd: Containerd;
let instance = '';
/** Of an attachment that never was. */
let attachment = '';
let before: Inventory;
let pids: Record<string, number>;
beforeAll(async () => {
  containerd = await warmHost();
  installKiller();
  await apply(cell('web', [container('main', { ports: ['8080:80'] }), container('side')]));
  await logged('web', 'side', /ready/);
  instance = readFileSync('/opt/kukeon/.kuke/instance', 'utf8').trim();
  attachment = `${instanceTag(instance)}deadbeef-0badcafe`;
  pids = await pidsOf('web');
  before = await footprint();
});
afterEach(() => run(['doctor', '--fix']));
afterAll(() => containerd.stop());

const CELLS = '/opt/kukeon/main/default/default';
const NETWORKS = '/etc/cni/net.d';
const RESULTS = '/var/lib/cni/results';
const GROUPS = '/sys/fs/cgroup/kukeon';
const GONE = '999999';

/** A cell that runs, without its record. */
async function lost(): Promise<void> {
  await apply(cell('gone', [container('main'), container('side')]));
  await logged('gone', 'side', /ready/);
  rmSync(`${CELLS}/gone`, { recursive: true });
}

async function withoutContainer(): Promise<void> {
  await lost();
  const client = connect({ socket: containerd.address }).with({ namespace: 'kukeon-main' });
  await client.containers.delete({ id: 'default_default_gone_side' });
  client.close();
}

const labels = () => [
  `kukeon.io/instance=${instance}`,
  `kukeon.io/lease-holder=${readLink('/proc/self/ns/pid')} ${GONE} 1`,
];

const readLink = (path: string): string => Bun.spawnSync(['readlink', path]).stdout.toString().trim();

async function snapshot(): Promise<void> {
  await ctr('kukeon-main', ['snapshots', 'prepare', 'gone', '']);
  const own = [`kukeon.io/instance=${instance}`, 'containerd.io/gc.root=1'];
  await ctr('kukeon-main', ['snapshots', 'label', 'gone', ...own]);
}

const bridgeOf = (network: string): string =>
  JSON.parse(readFileSync(`${NETWORKS}/${network}.conflist`, 'utf8')).plugins[0].bridge;

async function veth(): Promise<void> {
  await output(
    'ip',
    'link',
    'add',
    'vethgone',
    'master',
    bridgeOf('main-default'),
    'type',
    'veth',
    'peer',
    'name',
    'vethgone1',
  );
  await output('ip', 'link', 'set', 'vethgone', 'alias', `main-default ${attachment}/eth0`);
}

/** As of web's, for another attachment, which has lost all else. */
function result(): void {
  const [file = ''] = readdirSync(RESULTS);
  const cached = JSON.parse(readFileSync(`${RESULTS}/${file}`, 'utf8'));
  cached.containerId = attachment;
  cached.netns = '/run/netns/kuke-gone';
  cached.result = { ...cached.result, interfaces: [], ips: [{ address: '10.88.0.99/16' }] };
  writeFileSync(`${RESULTS}/main-default-${attachment}-eth0`, JSON.stringify(cached));
}

function conflist(): void {
  const text = readFileSync(`${NETWORKS}/main-default.conflist`, 'utf8');
  const other = text
    .replaceAll('main-default', 'main-gone')
    .replaceAll('10.88.', '10.126.')
    .replace('"space": "default"', '"space": "gone"');
  writeFileSync(`${NETWORKS}/main-gone.conflist`, other);
}

function group(): void {
  mkdirSync(`${GROUPS}/main/default/gone`);
  setAttribute(`${GROUPS}/main/default/gone`, 'kukeon.instance', instance);
}

function halfWritten(): void {
  mkdirSync(`${CELLS}/gone`);
  writeFileSync(`${CELLS}/gone/.cell.yaml.${GONE}-1-0123456789abcdef.tmp`, 'apiVersion: v1be');
}

function staleLock(): void {
  const [lock = ''] = readdirSync('/run/kukeon').filter(name => name.endsWith('.lock'));
  writeFileSync(`/run/kukeon/${lock}`, `${GONE} kuke apply -f gone.yaml\n`);
}

async function bridge(): Promise<void> {
  await output('ip', 'link', 'add', 'kuke-main-gone', 'type', 'bridge');
  await output('ip', 'link', 'set', 'kuke-main-gone', 'alias', `kukeon ${instance} main-gone`);
}

const nft = (command: string) => output('nft', command);

test.each<[what: string, make: () => unknown, codes: string[]]>([
  [
    'a cell without its record',
    lost,
    ['OrphanAttachment', 'OrphanCgroup', 'OrphanContainer', 'OrphanFiles', 'OrphanLogs', 'OrphanNetns'],
  ],
  [
    'a task without its container',
    withoutContainer,
    [
      'OrphanAttachment',
      'OrphanCgroup',
      'OrphanContainer',
      'OrphanFiles',
      'OrphanLogs',
      'OrphanNetns',
      'OrphanSnapshot',
      'OrphanTask',
    ],
  ],
  ['a snapshot', snapshot, ['OrphanSnapshot']],
  ['a lease', () => ctr('kukeon-main', ['leases', 'create', '--id', 'kuke-gone', ...labels()]), ['OrphanLease']],
  [
    'a containerd namespace',
    () => ctr('default', ['namespaces', 'create', 'kukeon-gone', `kukeon.io/instance=${instance}`]),
    ['OrphanNamespace'],
  ],
  ['a network namespace', () => output('ip', 'netns', 'add', `kuke-${instanceTag(instance)}deadbeef`), ['OrphanNetns']],
  ['a veth', veth, ['NotAsApplied', 'OrphanLink', 'RulesMissing']],
  [
    'a reservation',
    () => writeFileSync('/var/lib/cni/networks/main-default/10.88.0.99', `${attachment}\r\neth0`),
    ['OrphanAddress'],
  ],
  ['a result', result, ['OrphanAttachment']],
  ['a rule', () => nft('add rule inet kukeon space_forward counter drop'), ['NotAsApplied', 'RulesMissing']],
  [
    'an element for a bridge',
    () => nft('add element inet kukeon space_bridges { "kuke-gone" comment "main-gone" }'),
    ['NotAsApplied', 'OrphanRule', 'RulesMissing'],
  ],
  [
    'an element of an attachment',
    () => nft(`add element inet kukeon sources { 10.88.0.99 comment "main-default ${attachment}/eth0" }`),
    ['OrphanRule'],
  ],
  [
    'a table that was taken away',
    () => nft('delete table inet kukeon'),
    ['NotAsApplied', 'PortsMissing', 'RulesMissing'],
  ],
  ['a cgroup', group, ['OrphanCgroup']],
  ['a folder of a resource that was never written', halfWritten, ['OrphanFolder']],
  ['a conflist', conflist, ['OrphanConflist', 'RulesMissing']],
  ['a bridge', bridge, ['NotAsApplied', 'OrphanBridge', 'RulesMissing']],
  [
    'a folder of logs',
    () =>
      mkdirSync('/var/log/kukeon/main/default/default/gone/') ??
      writeFileSync('/var/log/kukeon/main/default/default/gone/main.log', 'ready\n'),
    ['OrphanLogs'],
  ],
  ['a lock file that names a dead kuke', staleLock, ['StaleLock']],
  [
    'a journal of a dead kuke',
    () => run(['create', 'stack', 'gone'], { env: at('before cgroup.create') }),
    ['JournalLeft', 'StaleLock'],
  ],
])('%s', async (_, make, codes) => {
  await make();
  const { status, codes: named, found } = await doctor();
  expect({ named, found }).toMatchObject({ named: codes });
  expect(status).toBe(found.some(({ level }) => level === 'error') ? 1 : 0);
  expect(found.filter(({ fixable }) => !fixable)).toEqual([]);
  const fixed = await fixAll();
  expect([...new Set(fixed.map(({ code }) => code))].sort()).toEqual(expect.arrayContaining(codes));
  expect(difference(before, await footprint())).toEqual([]);
  expect(await pidsOf('web')).toEqual(pids);
  expect(await stateOf('web')).toBe('Ready');
});

test('what is of others, or of another kuke, is neither named nor touched', async () => {
  const theirs = 'a'.repeat(64);
  await ctr('kukeon-main', ['containers', 'create', '--rootfs', '/', 'theirs']);
  await ctr('kukeon-main', ['snapshots', 'prepare', 'theirs', '']);
  await ctr('kukeon-main', ['leases', 'create', '--id', 'theirs']);
  for (const name of ['theirs', 'kuke-0000deadbeef']) await output('ip', 'netns', 'add', name);
  await output('ip', 'link', 'add', 'theirs0', 'type', 'bridge');
  await output('ip', 'link', 'add', 'kuke-other', 'type', 'bridge');
  await output('ip', 'link', 'set', 'kuke-other', 'alias', 'kukeon 00000000-0000-4000-8000-000000000000 lab-x');
  await output('ip', 'link', 'add', 'theirs1', 'type', 'veth', 'peer', 'name', 'theirs2');
  await output('ip', 'link', 'set', 'theirs1', 'alias', `main-default ${theirs}/eth0`);
  writeFileSync('/var/lib/cni/networks/main-default/10.88.0.98', `${theirs}\r\neth0`);
  await nft(`add element inet kukeon sources { 10.88.0.98 comment "main-default ${theirs}/eth0" }`);
  await nft('add table inet theirs; add chain inet theirs input { type filter hook input priority 0; }');
  mkdirSync(`${GROUPS}/main/theirs`);
  writeFileSync(`${NETWORKS}/theirs.conflist`, '{"cniVersion":"1.0.0","name":"theirs","plugins":[{"type":"bridge"}]}');
  mkdirSync('/var/log/kukeon/lab/x/y/z', { recursive: true });
  writeFileSync('/var/log/kukeon/lab/x/y/z/main.log', 'theirs\n');
  const host = await footprint();
  expect(await doctor('--fix')).toEqual({ status: 0, found: [], codes: [] });
  expect(difference(host, await footprint())).toEqual([]);
});

test('where a manifest cannot be read, nothing is taken for left over', async () => {
  const file = `${CELLS}/web/cell.yaml`;
  const whole = readFileSync(file);
  writeFileSync(file, whole.subarray(0, whole.length / 2));
  const host = await footprint();
  const { status, codes, found } = await doctor('--fix');
  expect({ status, codes }).toMatchObject({
    status: 1,
    codes: expect.arrayContaining(['MetadataCorrupt', 'OrphanContainer']),
  });
  for (const { code, fixable, remedy } of found.filter(one => one.code.startsWith('Orphan')))
    expect({ code, fixable, remedy }).toEqual({ code, fixable: false, remedy: expect.stringContaining(file) });
  expect(difference(host, await footprint())).toEqual([]);
  expect((await run(['doctor'])).stdout).toContain(`rm -r ${file}`);
  writeFileSync(file, whole);
  expect(await pidsOf('web')).toEqual(pids);
});
