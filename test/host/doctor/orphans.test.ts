// containerd: once, since what is left over looks alike in all versions.
/** What is left over, each made by hand: `kuke doctor` names it, `--fix` takes it away, and what is of cells or of others stays. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { setAttribute } from '../../../plugins/cgroup-v2/attribute.ts';
import { connect } from '../../../plugins/containerd-shim/client/index.ts';
import { instanceTag } from '../../../src/kernel/instance-tag.ts';
import { eventually } from '../../suites/contract.ts';
import type { Containerd } from '../containerd.ts';
import { cell, container, logged, pidsOf, stateOf } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { apply, binary, kuke, run, start } from '../kuke/kuke.ts';
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
  symlinkSync(binary, '/usr/local/bin/kuke'); // the CNI plugins are in it
  await apply(cell('web', [container('main', { ports: ['8080:80'] }), container('side', { stdin: true })]));
  await logged('web', 'side', /ready/);
  instance = readFileSync('/opt/kukeon/.kuke/instance', 'utf8').trim();
  attachment = `${instanceTag(instance)}deadbeef-0badcafe`;
  pids = await pidsOf('web');
  before = await footprint();
});
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
  await output('ip', 'link', 'set', 'vethgone', 'alias', `main-default ${instanceTag(instance)}deadbeef-0badcab1/eth0`);
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
  mkdirSync(`${CELLS}/half`);
  writeFileSync(`${CELLS}/half/.cell.yaml.${GONE}-1-0123456789abcdef.tmp`, 'apiVersion: v1be');
}

function staleLock(): void {
  const [lock = ''] = readdirSync('/run/kukeon').filter(name => name.endsWith('.lock'));
  writeFileSync(`/run/kukeon/${lock}`, `${GONE} kuke apply -f gone.yaml\n`);
}

const input = () => output('mkfifo', `/run/kukeon/stdin-${instanceTag(instance)}-0123456789abcdef`);

const lease = () => ctr('kukeon-main', ['leases', 'create', '--id', 'kuke-gone', ...labels()]);
const namespace = () => ctr('default', ['namespaces', 'create', 'kukeon-gone', `kukeon.io/instance=${instance}`]);

/** Of another attachment than the result. */
const reservation = () =>
  writeFileSync('/var/lib/cni/networks/main-default/10.88.0.99', `${instanceTag(instance)}deadbeef-0badf00d\r\neth0`);

function logs(): void {
  mkdirSync('/var/log/kukeon/main/default/default/gone/');
  writeFileSync('/var/log/kukeon/main/default/default/gone/main.log', 'ready\n');
}

async function bridge(): Promise<void> {
  await output('ip', 'link', 'add', 'kuke-main-lost', 'type', 'bridge');
  await output('ip', 'link', 'set', 'kuke-main-lost', 'alias', `kukeon ${instance} main-lost`);
}

async function killedExec(): Promise<void> {
  const exec = start(['exec', 'web', '-c', 'side', '--', '/bin/sh', '-c', 'echo begun; exec sleep 99999']);
  await said(exec, 'begun');
  exec.kill('SIGKILL');
  await exec.exited;
}

async function said({ stdout }: ReturnType<typeof start>, word: string): Promise<void> {
  for await (const chunk of stdout) if (new TextDecoder().decode(chunk).includes(word)) return;
  throw new Error(`it has ended without ${word}`);
}

const nft = (command: string) => output('nft', command);

/** What there is to make, and the code under which it is named. */
const leftovers: Record<string, [what: string, code: string, make: () => unknown][]> = {
  'in containerd': [
    ['snapshot gone in kukeon-main', 'OrphanSnapshot', snapshot],
    ['lease kuke-gone in kukeon-main', 'OrphanLease', lease],
    ['container’s standard input, is of no container', 'OrphanInput', input],
    ['containerd namespace kukeon-gone', 'OrphanNamespace', namespace],
  ],
  'in the network': [
    [
      'network namespace /run/netns/kuke-',
      'OrphanNetns',
      () => output('ip', 'netns', 'add', `kuke-${instanceTag(instance)}deadbeef`),
    ],
    ['interface vethgone', 'OrphanLink', veth],
    ['the reservation of 10.88.0.99', 'OrphanAddress', reservation],
    ['to network main-default is of no cell', 'OrphanAttachment', result],
    ['conflist /etc/cni/net.d/main-gone.conflist', 'OrphanConflist', conflist],
    ['bridge kuke-main-lost, of network main-lost', 'OrphanBridge', bridge],
  ],
  'among the rules': [
    ['rules of the space main/default', 'RulesMissing', () => nft('add rule inet kukeon space_forward counter drop')],
    [
      'rules for bridge kuke-gone',
      'OrphanRule',
      () => nft('add element inet kukeon space_bridges { "kuke-gone" comment "main-gone" }'),
    ],
    [
      'an element in the nftables table inet kukeon',
      'OrphanRule',
      () =>
        nft(
          `add element inet kukeon sources { 10.88.0.97 comment "main-default ${instanceTag(instance)}deadbeef-0badbabe/eth0" }`,
        ),
    ],
  ],
  'a table that was taken away': [
    ['rules of the space main/default', 'RulesMissing', () => nft('delete table inet kukeon')],
    ['publish ports', 'PortsMissing', () => {}],
  ],
  'among files and cgroups': [
    ['cgroup /kukeon/main/default/gone', 'OrphanCgroup', group],
    [`folder ${CELLS}/half`, 'OrphanFolder', halfWritten],
    ['folder of logs /var/log/kukeon/main/default/default/gone', 'OrphanLogs', logs],
    [`names a kuke that has ended, pid ${GONE}`, 'StaleLock', staleLock],
  ],
  'a cell without its record': [
    ['container default_default_gone_root in kukeon-main', 'OrphanContainer', lost],
    ['container default_default_gone_side in kukeon-main', 'OrphanContainer', () => {}],
    ['network namespace /run/netns/kuke-', 'OrphanNetns', () => {}],
    ['to network main-default is of no cell', 'OrphanAttachment', () => {}],
    ['cgroup /kukeon/main/default/default/gone', 'OrphanCgroup', () => {}],
    ['/opt/kukeon/.kuke/etc/main/default/default/gone', 'OrphanFiles', () => {}],
    ['/var/log/kukeon/main/default/default/gone', 'OrphanLogs', () => {}],
  ],
  'a task without its container': [
    ['task default_default_gone_side', 'OrphanTask', withoutContainer],
    ['snapshot default_default_gone_side', 'OrphanSnapshot', () => {}],
  ],
  'an exec of a dead kuke': [['in container default_default_web_side of kukeon-main', 'ExecLeft', killedExec]],
  'a journal of a dead kuke': [
    [
      'an earlier command did not end: kuke create stack gone',
      'JournalLeft',
      () => run(['create', 'stack', 'gone'], { env: at('before cgroup.create') }),
    ],
  ],
};

test.each(Object.keys(leftovers))('%s', async name => {
  const made = leftovers[name] ?? [];
  for (const [, , make] of made) await make();
  const { status, found } = await doctor();
  expect(status).toBe(1);
  for (const [what, code] of made)
    expect(found).toContainEqual(expect.objectContaining({ code, what: expect.stringContaining(what), fixable: true }));
  const fixed = await fixAll();
  for (const [what, code] of made)
    expect(fixed).toContainEqual(expect.objectContaining({ code, what: expect.stringContaining(what), fixed: true }));
  expect(difference(before, await footprint())).toEqual([]);
  expect(await pidsOf('web')).toEqual(pids);
  expect(await stateOf('web')).toBe('Ready');
});

/** What whoever takes the lock sees to, rules of published ports among it (docs/plans.md). */
const BY_KUKE = ['JournalLeft', 'StaleLock', 'NotAsApplied', 'PortsMissing'];
/** Rules that were changed, and are not just gone. */
const isChanged = (name: string, code: string) => name === 'among the rules' && code === 'RulesMissing';

test.each(Object.keys(leftovers))('%s, put right by what --fix --dry-run --explain prints', async name => {
  const made = leftovers[name] ?? [];
  for (const [, , make] of made) await make();
  const disturbed = await footprint();
  const shown = await run(['doctor', '--fix', '--dry-run']);
  for (const [what] of made) expect(shown.stdout).toMatch(new RegExp(`^to fix .*${RegExp.escape(what)}`, 'm'));
  const script = await kuke('doctor', '--fix', '--dry-run', '--explain');
  // What runs goes about its own business.
  expect(difference(disturbed, await footprint(), [/^process /])).toEqual([]);
  await output('bash', '-c', script);
  const { codes } = await doctor();
  expect({ script, left: codes.filter(code => !BY_KUKE.includes(code) && !isChanged(name, code)) }).toEqual({
    script,
    left: [],
  });
  if (codes.length > 0) await fixAll();
  // The socket of a shim that ctr has ended stays.
  expect(difference(before, await footprint(), [/^file \/run\/containerd\/s\//])).toEqual([]);
  expect(await pidsOf('web')).toEqual(pids);
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
  await output('mkfifo', `/run/kukeon/stdin-${instanceTag(`not ${instance}`)}-0123456789abcdef`);
  mkdirSync('/var/log/kukeon/lab/x/y/z', { recursive: true });
  writeFileSync('/var/log/kukeon/lab/x/y/z/main.log', 'theirs\n');
  const host = await footprint();
  expect(await doctor('--fix')).toEqual({ status: 0, found: [], codes: [] });
  expect(difference(host, await footprint())).toEqual([]);
});

test('an exec of a kuke in another pid namespace is not taken for one of a dead kuke', async () => {
  const prefix = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const exec = start(['exec', 'web', '-c', 'side', '--', '/bin/sh', '-c', 'echo begun; exec sleep 99999'], { prefix });
  await said(exec, 'begun');
  expect((await doctor('--fix')).codes).toEqual([]);
  // The next one ends those of the dead.
  await kuke('exec', 'web', '-c', 'side', '--', 'true');
  expect(exec.exitCode).toBeNull();
  const processes = () => kuke('exec', 'web', '-c', 'side', '--', 'ps');
  expect(await processes()).toContain('sleep 99999');
  exec.kill('SIGKILL');
  await exec.exited;
  const [left = ''] = readdirSync('/run/kukeon').filter(name => name.startsWith('exec-'));
  expect(left).not.toBe('');
  const client = connect({ socket: containerd.address }).with({ namespace: 'kukeon-main' });
  await client.tasks.kill({ containerId: 'default_default_web_side', execId: left, signal: 9 });
  client.close();
  rmSync(`/run/kukeon/${left}`, { recursive: true });
  await eventually(async () => ((await processes()).includes('sleep 99999') ? undefined : true));
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
  expect((await run(['doctor'])).stdout).toContain(`rm ${file}`);
  writeFileSync(file, whole);
  expect(await pidsOf('web')).toEqual(pids);
});
