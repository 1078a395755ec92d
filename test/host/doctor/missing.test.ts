// containerd: once, since what is missing is missing alike in all versions.
/** What cells need and is gone: `kuke doctor` says which resource is not as it was applied, and `--fix` brings it back. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import type { Containerd } from '../containerd.ts';
import { hostState } from '../crash-points/host-state.ts';
import { cell, container, logged, pidsOf, stateOf } from '../kuke/cells.ts';
import { apply, run } from '../kuke/kuke.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { output } from '../observe/command.ts';
import { ctr } from '../observe/containerd.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { networkNamespaces } from '../observe/network.ts';
import { doctor, fixAll } from './diagnosis.ts';

let containerd: Containerd;
let well: Inventory;
const web = cell('web', [container('main', { ports: ['8080:80'] }), container('side')]);
beforeAll(async () => {
  containerd = await warmHost();
  await apply(web);
  await logged('web', 'side', /ready/);
  well = await hostState();
});
afterAll(() => containerd.stop());

const bridge = (): string => JSON.parse(readFileSync('/etc/cni/net.d/main-default.conflist', 'utf8')).plugins[0].bridge;
const RESULTS = '/var/lib/cni/results';

async function withoutContainer(name: string): Promise<void> {
  const id = `default_default_web_${name}`;
  await ctr('kukeon-main', ['tasks', 'kill', '--signal', 'SIGKILL', id]);
  await ctr('kukeon-main', ['tasks', 'delete', '--force', id]);
  await ctr('kukeon-main', ['containers', 'delete', id]);
}

test.each<[what: string, take: () => unknown, codes: string[]]>([
  [
    'a network namespace',
    async () => output('ip', 'netns', 'delete', (await networkNamespaces())[0] ?? ''),
    ['NotAsApplied'],
  ],
  ['a container', () => withoutContainer('side'), ['NotAsApplied']],
  ['the root container', () => withoutContainer('root'), ['NotAsApplied']],
  ['the conflist', () => rmSync('/etc/cni/net.d/main-default.conflist'), ['NotAsApplied']],
  ['the bridge', () => output('ip', 'link', 'delete', bridge()), ['NotAsApplied']],
  [
    'the result',
    () => rmSync(`${RESULTS}/${readdirSync(RESULTS)[0]}`),
    ['NotAsApplied', 'OrphanAddress', 'OrphanLink', 'OrphanRule'],
  ],
  [
    'what stands in the result',
    () => truncateSync(`${RESULTS}/${readdirSync(RESULTS)[0]}`, 40),
    ['NotAsApplied', 'OrphanAttachment'],
  ],
  ['all rules', () => output('nft', 'flush', 'ruleset'), ['NotAsApplied', 'PortsMissing', 'RulesMissing']],
])('%s', async (_, take, codes) => {
  await take();
  const { status, codes: named, found } = await doctor();
  expect({ status, found }).toMatchObject({ status: 1 });
  expect(named).toEqual(expect.arrayContaining(codes.slice(0, 1)));
  await fixAll();
  expect(await stateOf('web')).toBe('Ready');
  expect(Object.keys(await pidsOf('web'))).toEqual(['main', 'side']);
  expect(difference(well, await hostState())).toEqual([]);
});

test('what the host lacks is told with exit code 5, and the rest is left until it is there', async () => {
  await containerd.stop();
  for (const flags of [[], ['--fix']]) {
    const { status, codes, found } = await doctor(...flags);
    expect({ flags, status, codes }).toEqual({ flags, status: 5, codes: ['RuntimeUnavailable'] });
    expect(found.find(({ level }) => level === 'error')?.remedy).toContain('start containerd');
  }
  await containerd.start();
  const inFull = {
    prefix: [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount -t tmpfs -o size=16k tmpfs /var/lib/cni/networks && exec "$@"',
      'sh',
    ],
  };
  const full = await run(['doctor'], inFull);
  expect(full).toMatchObject({ status: 5, stdout: expect.stringContaining('no space left on device') });
  const readOnly = {
    prefix: [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount --bind /opt/kukeon /opt/kukeon && mount -o remount,bind,ro /opt/kukeon && exec "$@"',
      'sh',
    ],
  };
  const ran = await run(['doctor'], readOnly);
  expect(ran).toMatchObject({
    status: 5,
    stdout: expect.stringMatching(/read-only file system.*\n +mount it writable/i),
  });
  expect((await doctor()).status).toBe(0);
});

test('a containerd that hangs is told as one that does not answer', async () => {
  process.kill(containerd.pid, 'SIGSTOP');
  try {
    const { status, found } = await doctor();
    expect({ status, found }).toMatchObject({
      status: 5,
      found: [{ level: 'error', what: expect.stringContaining('containerd') }],
    });
  } finally {
    process.kill(containerd.pid, 'SIGCONT');
  }
});

test('an image that is gone is told with what to do, and cannot be brought back', async () => {
  const file = '/opt/kukeon/main/default/default/web/cell.yaml';
  const text = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    text.replaceAll('docker.io/library/test:1', 'docker.io/library/gone:1\n      imagePullPolicy: Never'),
  );
  const { status, found } = await doctor('--fix');
  expect(status).toBe(1);
  expect(found).toContainEqual(
    expect.objectContaining({ level: 'error', fixed: false, what: expect.stringContaining('gone:1') }),
  );
  writeFileSync(file, text);
  expect((await doctor()).status).toBe(0);
});
