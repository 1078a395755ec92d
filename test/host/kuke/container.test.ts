// containerd: once, since each field is held on every version by containerd-shim/runtime-spec.test.ts and runtime-lifecycle.test.ts.
/** A container as its manifest describes it: what a user of Docker expects, seen from inside and from the host (spec.md §3). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { busybox } from '../image.ts';
import { ctr, labels } from '../observe/containerd.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';
import { processes } from '../observe/system.ts';
import { cell, container, getCell, loadImage, log, logFile, logged, pidsOf, shell, stateOf } from './cells.ts';
import { apply, applyFailing, kuke } from './kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

const ENTRY_IMAGE = 'docker.io/library/entry:1';
const SHARED = '/var/tmp/shared';

let host: ReadyHost;
let before: Inventory;
beforeAll(async () => {
  host = await readyHost();
  await loadImage({
    name: ENTRY_IMAGE,
    layers: [busybox(), { 'home/user/mine': { content: 'x', uid: 1000, gid: 1000 } }],
    config: {
      Entrypoint: ['/bin/sh', '-c', 'echo entrypoint "$0" "$@"; env; id -u; id -g; pwd'],
      Cmd: ['cmd'],
      Env: ['PATH=/bin', 'WHO=image', 'KUKEON_REALM=image'],
      User: 'user',
      WorkingDir: '/home/user',
    },
  });
  mkdirSync(SHARED);
  writeFileSync(`${SHARED}/file`, 'from the host\n');
  before = await inventory();
});
afterAll(() => host.containerd.stop());

type Fields = Record<string, unknown>;

/** What the containers of one cell write until they have ended, by their names; `probes` say how each differs from the others. */
async function outputs(probes: Record<string, Fields>): Promise<Record<string, string>> {
  const containers = Object.entries(probes).map(([id, fields]) => container(id, { image: ENTRY_IMAGE, ...fields }));
  await apply(cell('probe', [container('main', { root: true }), ...containers]));
  await eventually(async () => {
    const { status } = await getCell('probe');
    return status.containers.every(({ id, state }) => id === 'main' || state === 'Exited') || undefined;
  }, 60_000);
  // Taking a container away waits until its shim has written all; the log goes only with the cell.
  await apply(cell('probe', [container('main', { root: true })]));
  const written = Object.fromEntries(Object.keys(probes).map(id => [id, log('probe', id)]));
  await kuke('delete', 'cell', 'probe', '--cascade');
  return written;
}

const sh = (script: string, fields: Fields = {}): Fields => ({ command: ['/bin/sh', '-c', script], ...fields });

test('command and args against the image’s ENTRYPOINT and CMD, as in Kubernetes', async () => {
  const said = await outputs({
    neither: {},
    args: { args: ['one', 'two'] },
    command: { command: ['/bin/echo', 'own'] },
    both: { command: '/bin/echo', args: ['own', 'args'] },
  });
  expect(said.neither).toStartWith('entrypoint cmd\n');
  expect(said.args).toStartWith('entrypoint one two\n');
  expect(said.command).toBe('own\n');
  expect(said.both).toBe('own args\n');
});

test('env, user and workingDir: the image’s, unless the manifest says otherwise', async () => {
  const said = await outputs({
    image: {},
    own: { env: ['WHO=me', 'MORE=a=b', 'KUKEON_STACK=mine'], user: '0:1000', workingDir: '/tmp/made' },
    named: sh('id -u; id -g', { user: 'user:root' }),
    numbers: sh('id -u; id -g', { user: '1234' }),
  });
  const lines = (id: string) => said[id]?.trim().split('\n') ?? [];
  expect(lines('image')).toEqual(expect.arrayContaining(['WHO=image', 'PATH=/bin']));
  expect(lines('image').slice(-3)).toEqual(['1000', '1000', '/home/user']);
  expect(lines('own')).toEqual(expect.arrayContaining(['WHO=me', 'MORE=a=b', 'KUKEON_STACK=mine']));
  expect(lines('own').slice(-3)).toEqual(['0', '1000', '/tmp/made']);
  expect(lines('named')).toEqual(['1000', '0']);
  expect(lines('numbers')).toEqual(['1234', '0']);
  expect(
    lines('image')
      .filter(line => line.startsWith('KUKEON_'))
      .sort(),
  ).toEqual([
    'KUKEON_CELL_NAME=probe',
    'KUKEON_CGROUP_PATH=/kukeon/main/default/default/probe/image',
    'KUKEON_CONTAINER_ID=image',
    'KUKEON_REALM=main',
    'KUKEON_SPACE=default',
    'KUKEON_STACK=default',
  ]);
});

test('volumes, tmpfs and a read-only root file system', async () => {
  const said = await outputs({
    bound: sh('cat /mnt/file; echo written > /mnt/new; echo $?', {
      user: '0',
      volumes: [{ kind: 'bind', source: SHARED, target: '/mnt' }],
    }),
    locked: sh('cat /mnt/file; (echo x > /mnt/no) 2> /dev/null || echo refused', {
      user: '0',
      volumes: [{ kind: 'bind', source: SHARED, target: '/mnt', readOnly: true }],
    }),
    memory: sh('grep -E " /(scratch|run) " /proc/mounts | cut -d" " -f2,3,4; stat -c %a /scratch /run', {
      user: '0',
      volumes: [{ kind: 'tmpfs', target: '/scratch', sizeBytes: 65536, mode: '1777' }],
      tmpfs: [{ path: '/run', mode: '0700' }],
    }),
    frozen: sh(
      '(echo x > /no) 2> /dev/null || echo refused; echo x > /dev/null && echo null; echo x > /scratch/yes && cat /scratch/yes',
      {
        user: '0',
        readOnlyRootFilesystem: true,
        tmpfs: [{ path: '/scratch' }],
      },
    ),
  });
  expect(said.bound).toBe('from the host\n0\n');
  expect(readFileSync(`${SHARED}/new`, 'utf8')).toBe('written\n');
  expect(said.locked).toBe('from the host\nrefused\n');
  expect(existsSync(`${SHARED}/no`)).toBe(false);
  expect(said.memory).toMatch(/^\/scratch tmpfs .*size=64k/m);
  expect(said.memory).toMatch(/^\/run tmpfs /m);
  expect(said.memory).toMatch(/\n1777\n700\n$/);
  expect(said.frozen).toBe('refused\nnull\nx\n');
});

test('capabilities, privileges, devices and securityOpts', async () => {
  const caps = 'grep -E "Cap(Eff|Bnd)|NoNewPrivs|Seccomp:" /proc/self/status';
  const said = await outputs({
    plain: sh(`${caps}; ls /dev | tr "\\n" " "; cat /dev/fuse`, { user: '0' }),
    added: sh(caps, { user: '0', capabilities: { add: ['NET_ADMIN'], drop: ['CAP_CHOWN'] } }),
    none: sh(caps, { user: '0', capabilities: { drop: ['ALL'] } }),
    privileged: sh(
      `${caps}; test -b /dev/loop0 -o -c /dev/kmsg && echo all; mount -t tmpfs x /mnt 2>&1 || mkdir /mnt && mount -t tmpfs x /mnt && echo mounted`,
      { user: '0', privileged: true },
    ),
    device: sh('test -c /dev/fuse && echo there; head -c0 /dev/fuse && echo open', {
      user: '0',
      devices: ['/dev/fuse'],
    }),
    strict: sh(caps, { user: '0', securityOpts: ['no-new-privileges'] }),
    loose: sh(caps, { user: '0', securityOpts: ['seccomp=unconfined'] }),
  });
  const field = (id: string, name: string) => new RegExp(`${name}:\\s+(\\S+)`).exec(said[id] ?? '')?.[1] ?? '';
  // Docker's fourteen.
  expect(field('plain', 'CapEff')).toBe('00000000a80425fb');
  expect(field('plain', 'Seccomp')).toBe('2');
  expect(field('plain', 'NoNewPrivs')).toBe('0');
  expect(said.plain).toContain(' null ');
  expect(said.plain).not.toContain('fuse ');
  const bits = (id: string) => BigInt(`0x${field(id, 'CapBnd')}`);
  expect(bits('added')).toBe((bits('plain') | (1n << 12n)) & ~1n);
  expect(bits('none')).toBe(0n);
  expect(bits('privileged') & bits('plain')).toBe(bits('plain'));
  expect(bits('privileged')).not.toBe(bits('plain'));
  expect(field('privileged', 'Seccomp')).toBe('0');
  expect(said.privileged).toContain('all\n');
  expect(said.privileged).toContain('mounted\n');
  expect(said.device).toBe('there\nopen\n');
  expect(field('strict', 'NoNewPrivs')).toBe('1');
  expect(field('loose', 'Seccomp')).toBe('0');
});

test('namespaces of its own, /dev/shm, and the masked paths of Docker', async () => {
  const said = await outputs({
    plain: sh(
      'echo $$; hostname; stat -f -c %T /dev/shm; (echo 1 > /proc/sys/vm/swappiness) 2> /dev/null || echo refused; cat /proc/self/mounts /proc/self/cgroup',
      { user: '0' },
    ),
  });
  expect(said.plain).toStartWith('1\nprobe\ntmpfs\nrefused\n');
  expect(said.plain).toMatch(/^\S+ \/proc\/sys proc ro,/m);
  expect(said.plain).toMatch(/^\S+ \/sys\/firmware tmpfs ro,/m);
  expect(said.plain).toMatch(/^\S+ \/proc\/keys /m);
  expect(said.plain).toMatch(/^0::\/$/m);
});

test('what it writes goes to its log, both streams, over all of its lives, and with the cell', async () => {
  const script =
    'echo "start $(cat /root/count 2> /dev/null)"; echo more >> /root/count; echo to stderr >&2; printf "no newline"; trap "exit 0" TERM; sleep 1000 & wait';
  await apply(cell('writer', [shell('main', script), shell('loud', 'seq 1 20000; echo done')]));
  await logged('writer', 'main', /no newline/);
  expect((await logged('writer', 'loud', /done/)).split('\n')).toHaveLength(20_002);
  expect(statSync(logFile('writer', 'main')).mode & 0o027).toBe(0);
  await kuke('stop', 'cell', 'writer');
  await kuke('start', 'cell', 'writer');
  await logged('writer', 'main', /start more[\s\S]*no newline/);
  await kuke('kill', 'cell', 'writer');
  // Which of the two streams is written first is nobody's to say.
  const text = log('writer', 'main');
  expect(text.split('to stderr\n')).toHaveLength(3);
  expect(text.replaceAll('to stderr\n', '')).toBe('start \nno newlinestart more\nno newline');
  await kuke('delete', 'cell', 'writer', '--cascade');
  expect(existsSync('/var/log/kukeon/main')).toBe(false);
});

describe('on the host', () => {
  afterAll(removeCells);

  test('its labels are those of the manifest and kuke’s own', async () => {
    await apply(
      cell('tagged', [container('main', { labels: { team: 'a', 'example.org/tier': 'web' } }), container('side')]),
    );
    const instance = readFileSync('/opt/kukeon/.kuke/instance', 'utf8').trim();
    expect(await labels('containers', 'default_default_tagged_root', 'kukeon-main')).toEqual(
      expect.arrayContaining([
        'team=a',
        'example.org/tier=web',
        'kukeon.io/cell=main/default/default/tagged',
        'kukeon.io/container=main',
        `kukeon.io/instance=${instance}`,
      ]),
    );
    expect(await kuke('get', 'containers', '-l', 'team=a', '-o', 'name')).toBe('container/main\n');
  });

  test('its cell has one shim, and every cell another', async () => {
    const shims = () => processes().filter(({ command }) => command[0]?.endsWith('containerd-shim-runc-v2'));
    expect(shims()).toHaveLength(1);
    await apply(
      cell(
        'many',
        Array.from({ length: 6 }, (_, index) => container(`c${index}`)),
      ),
    );
    expect(Object.keys(await pidsOf('many'))).toHaveLength(6);
    expect(shims()).toHaveLength(2);
    await kuke('stop', 'cell', 'many');
    await kuke('start', 'cell', 'many');
    expect(shims()).toHaveLength(2);
    await kuke('delete', 'cell', 'many', '--cascade');
    expect(shims()).toHaveLength(1);
  });

  test('its process is in its cgroup, its OCI spec is there to be read, and ctr can run something in it', async () => {
    const { side = 0 } = await pidsOf('tagged');
    expect(readFileSync(`/proc/${side}/cgroup`, 'utf8')).toMatch(
      /^0::.*\/kukeon\/main\/default\/default\/tagged\/side$/m,
    );
    expect(JSON.parse(await ctr('kukeon-main', ['containers', 'info', 'default_default_tagged_side']))).toMatchObject({
      Image: 'docker.io/library/test:1',
      Spec: { process: { cwd: '/' }, hostname: 'tagged' },
    });
    expect(
      await ctr('kukeon-main', [
        'tasks',
        'exec',
        '--exec-id',
        'x',
        'default_default_tagged_side',
        '/bin/echo',
        'hello',
      ]),
    ).toBe('hello\n');
    expect(await stateOf('tagged')).toBe('Ready');
  });
});

test.each([
  ['a user who is not in the image', { user: 'nobody-here' }, 2, /nobody-here/],
  ['a command that is not in the image', { command: '/no/such' }, 1, /\/no\/such/],
  [
    'a bind mount of nothing',
    { volumes: [{ kind: 'bind', source: '/no/such/folder', target: '/mnt' }] },
    3,
    /\/no\/such\/folder/,
  ],
  ['a device that the host lacks', { devices: ['/dev/no-such'] }, 3, /\/dev\/no-such/],
  ['a capability that there is none', { capabilities: { add: ['FLY'] } }, 2, /FLY/],
  ['a seccomp profile that is not there', { securityOpts: ['seccomp=/no/such.json'] }, 2, /\/no\/such\.json/],
  ['an image that is not there', { image: 'nowhere:1', imagePullPolicy: 'Never' }, 3, /nowhere:1.*image load/],
])('%s is said so, and nothing is left', async (_, fields, status, words) => {
  expect(await applyFailing(status, cell('faulty', [container('main'), container('side', fields)]))).toMatch(words);
  expect(await leaks(before)).toEqual([]);
});
