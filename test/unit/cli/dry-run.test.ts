import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, kukeOnFakes, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
});
afterEach(() => fake.remove());

const TWO = `
apiVersion: v1beta1
kind: Space
metadata: { name: two }
---
apiVersion: v1beta1
kind: Stack
metadata: { name: default }
spec: { spaceId: two }
---
apiVersion: v1beta1
kind: Cell
metadata: { name: web }
spec: { spaceId: two, containers: [{ id: main, image: busybox, env: ['A={addresses 0}'] }] }
`;

/** All that the fake host holds. */
const state = () => JSON.stringify(fake.host, (_, value) => (value instanceof Map ? [...value] : value));

async function well(...argv: string[]): Promise<string> {
  const { status, stdout, stderr } = await fake.kuke(...argv);
  expect({ argv, status, stderr }).toEqual({ argv, status: 0, stderr: '' });
  return stdout;
}

describe('--dry-run', () => {
  test('plans each resource on top of those before it, tells their operations in order, and does nothing', async () => {
    const before = state();
    const text = await well('apply', '-f', fake.file('two.yaml', TWO), '--dry-run');
    expect(text.replace(/kuke-\w+/, 'kuke-HASH')).toBe(`space main/two created (dry run)
  store.write
  cgroup.create   /kukeon/main/two
  network.define  main-two
stack main/two/default created (dry run)
  store.write
  cgroup.create  /kukeon/main/two/default
cell main/two/default/web created (dry run)
  store.write
  cgroup.create    /kukeon/main/two/default/web
  network.open     /run/netns/kuke-HASH
  network.attach   eth0 to main-two
  store.writeFile  etc/main/two/default/web/hostname
  store.writeFile  etc/main/two/default/web/resolv.conf
  store.writeFile  etc/main/two/default/web/hosts
  cell.writeHosts  etc/main/two/default/web/hosts
  cgroup.leaf      /kukeon/main/two/default/web/web_root
  runtime.create   two_default_web_root
  runtime.start    two_default_web_root
`);
    expect(state()).toBe(before);
  });

  test('is of every command that changes something', async () => {
    const file = fake.file('two.yaml', TWO);
    await well('apply', '-f', file);
    const before = state();
    const scope = ['--space', 'two'];
    expect(await well('apply', '-f', file, '--dry-run')).not.toContain('  ');
    expect(await well('create', 'realm', 'lab', '--dry-run')).toContain('runtime.createNamespace  kukeon-lab');
    const changed = await well('set', 'resources', 'cell', 'web', ...scope, '--memory', '1Gi', '--dry-run');
    expect(changed).toContain(
      'updated (dry run)\n  spec.resources.memory.limit: added 1Gi\n  store.write\n  cgroup.limit',
    );
    for (const verb of ['stop', 'kill'])
      expect(await well(verb, 'cell', 'web', ...scope, '--dry-run')).toContain('runtime.stop    two_default_web_root');
    expect(await well('start', 'cell', 'web', ...scope, '--dry-run')).toContain('unchanged (dry run)');
    const deleted = await well('delete', 'space', 'two', '--cascade', '--dry-run');
    expect(deleted).toMatch(
      /cell main\/two\/default\/web deleted[\s\S]+stack main\/two\/default deleted[\s\S]+space main\/two deleted/,
    );
    expect(await well('uninstall', '--dry-run')).toEndWith(
      'host put right (dry run)\n  cgroup.remove  /kukeon\n  store.purge\n',
    );
    expect(await well('init', '--realm', 'lab', '--dry-run')).toContain('realm lab created (dry run)');
    expect(state()).toBe(before);
  });

  test('two spaces of one command get two ranges', async () => {
    const spaces = ['a', 'b'].map(name => `apiVersion: v1beta1\nkind: Space\nmetadata: { name: ${name} }\n`);
    const diff = await well('apply', '-f', fake.file('spaces.yaml', spaces.join('---\n')), '--dry-run');
    expect(diff).toContain('network.define  main-b');
  });

  test('what would fail fails, and no script of a part is printed', async () => {
    const file = fake.file('web.yaml', cellYaml('web', '[{ id: web, image: absent, imagePullPolicy: Never }]'));
    for (const flags of [['--dry-run'], ['--dry-run', '--explain']]) {
      const { status, stdout, stderr } = await fake.kuke('apply', '-f', file, ...flags);
      expect(status).toBe(3);
      expect(stderr).toContain('absent');
      expect(stdout).not.toContain('mkdir');
    }
  });

  test('an image that is missing would be pulled, and one that goes stays', async () => {
    const file = fake.file('web.yaml', cellYaml('web', '[{ id: web, image: absent }]'));
    expect(await well('apply', '-f', file, '--dry-run')).toMatch(
      /\n {2}images.pull +absent\n(.*\n)* {2}runtime.create/,
    );
    expect(await well('image', 'rm', 'busybox', '--dry-run')).toBe('removed busybox (dry run)\n');
    expect(await well('image', 'prune', '--all', '--dry-run')).toBe(
      'removed docker.io/library/busybox:latest (dry run)\n',
    );
    expect(await well('image', 'ls', '-q')).toBe('docker.io/library/busybox:latest\n');
  });

  test('waits for no other kuke', async () => {
    fake.host.store.holder = { pid: 1, command: 'another' };
    expect(await well('create', 'realm', 'lab', '--dry-run')).toContain('realm lab created (dry run)');
  });

  test('leaves to the next command what an earlier kuke has begun, and says so', async () => {
    const file = fake.file('web.yaml', cellYaml('web'));
    const step = { id: '1', type: 'cgroup.create', params: { path: '/kukeon/x' }, resource: 'realm x' } as const;
    const journal = makeJournal(join(fake.runPath, '.kuke/journal'));
    journal
      .open('1', { onFailure: 'undo', steps: [{ ...step, after: [] }] }, 'kuke create realm x')
      .start('1', undefined);
    // Of a kuke that has just begun.
    const folder = join(fake.runPath, '.kuke/journal');
    journal.open('2', { onFailure: 'undo', steps: [{ ...step, after: [] }] }, 'kuke create realm y');
    const files = readdirSync(folder).sort();
    expect(files).toHaveLength(2);
    const before = state();
    const { status, stderr } = await fake.kuke('apply', '-f', file, '--dry-run');
    expect([status, stderr]).toEqual([0, expect.stringContaining('another command has not ended')]);
    expect(state()).toBe(before);
    expect(readdirSync(folder).sort()).toEqual(files);
    expect((await fake.kuke('apply', '-f', file)).stderr).toContain('has been undone');
  });

  test('needs no root', async () => {
    const other = kukeOnFakes({ uid: 1000 });
    const { status, stdout } = await other.kuke('init', '--dry-run');
    expect([status, stdout.split('\n')[0]]).toEqual([0, 'host put right (dry run)']);
    other.remove();
  });
});

test('a file is judged as it is to be in the end: what lifts a limit above makes room below', async () => {
  await well('set', 'resources', 'stack', 'default', '--cpuset', '0', '--memory', '64Mi');
  const stack = `apiVersion: v1beta1
kind: Stack
metadata: { name: default }
`;
  const containers = '[{ id: web, image: busybox, resources: { cpu: { cpuset: 1 }, memory: { limit: 96Mi } } }]';
  const file = fake.file('room.yaml', `${stack}---\n${cellYaml('web', containers)}`);
  const before = state();
  expect(await well('apply', '-f', file, '--dry-run')).not.toContain('more than it can have');
  expect(state()).toBe(before);
  await well('apply', '-f', file);
  const groups = fake.host.cgroups;
  expect(Object.fromEntries(groups.get('/kukeon/main/default/default/web/web_root')?.values ?? [])).toEqual({
    'cpu.cpuset': '1',
    'memory.limit': 96 * 2 ** 20,
  });
});

describe('--explain', () => {
  test('with --dry-run prints a script', async () => {
    const before = state();
    const text = await well('apply', '-f', fake.file('two.yaml', TWO), '--dry-run', '--explain');
    expect(text).toMatch(
      /^#!\/bin\/bash\n# kuke .* --explain\nset -e\nKUKE_INSTANCE=[-0-9a-f]{36}\n\n# space main\/two: store.write\n/,
    );
    expect(text).toMatch(/\n\n# cell main\/two\/default\/web: runtime.start\nctr .*\n$/);
    expect(Bun.spawnSync(['bash', '-n'], { stdin: Buffer.from(text) }).stderr.toString()).toBe('');
    expect(state()).toBe(before);
  });

  test('tells one cell after the other', async () => {
    const cells = ['a', 'b', 'c'].map(name => cellYaml(name));
    const text = await well('apply', '-f', fake.file('cells.yaml', cells.join('---\n')), '--dry-run', '--explain');
    const order = [...text.matchAll(/^# cell main\/default\/default\/(\w): /gm)].map(([, name]) => name);
    expect(order.filter((name, index) => name !== order[index - 1])).toEqual(['a', 'b', 'c']);
  });

  test('alone prints each command before it is run, and at the end what was done', async () => {
    const text = await well('apply', '-f', fake.file('two.yaml', TWO), '--explain');
    expect(text.match(/#!\/bin\/bash/g)).toHaveLength(1);
    expect(text).toContain('\n# cell main/two/default/web: runtime.start\nctr ');
    expect(text).toEndWith('\n# cell main/two/default/web created\n');
    expect(JSON.parse(await well('get', 'cell', 'web', '--space', 'two', '-o', 'json')).status.state).toBe('Ready');
  });
});
