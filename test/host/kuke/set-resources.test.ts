// containerd: once, since kuke writes the limits; that a start takes the group as it is, runtime-lifecycle.test.ts holds on each version.
/** set resources, and get --resources, with what is real in a box: of the controllers hugetlb alone; the others are not enforced, and say so. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { cell, container, getCell, IMAGE, manifest, pidsOf } from './cells.ts';
import { apply, failing, get, kuke, run, tryApply } from './kuke.ts';
import { type ReadyHost, readyHost } from './ready-host.ts';

const WEB = '/sys/fs/cgroup/kukeon/main/default/default/web';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
  await apply(cell('web', [container('main'), container('side')]));
});
afterAll(() => host.containerd.stop());

/** Until somebody has written to it, the kernel says `max` in digits. */
const hugetlb = (group: string) =>
  readFileSync(`${group}/hugetlb.2MB.max`, 'utf8').trim().replace('9223372036854771712', 'max');
const set = (...argv: string[]) => kuke('set', 'resources', ...argv);
const MiB = 2 ** 20;

test.each([
  ['realm', 'main', '/sys/fs/cgroup/kukeon/main'],
  ['space', 'default', '/sys/fs/cgroup/kukeon/main/default'],
  ['stack', 'default', '/sys/fs/cgroup/kukeon/main/default/default'],
  ['cell', 'web', WEB],
])(
  'a limit of a %s is in its group at once, changes and is lifted; its processes run on',
  async (kind, name, group) => {
    const pids = await pidsOf('web');
    expect(await set(kind, name, '--hugepages', '2Mi=64Mi')).toContain('spec.resources.hugepages.2Mi: added 64Mi\n');
    expect(hugetlb(group)).toBe(String(64 * MiB));
    expect(await set(kind, name, '--hugepages', '2048Ki=64Mi')).toMatch(/ unchanged\n$/);
    expect(await set(kind, name, '--hugepages', '2Mi=32Mi')).toContain('spec.resources.hugepages.2Mi: 64Mi → 32Mi\n');
    expect(hugetlb(group)).toBe(String(32 * MiB));
    const { status } = await get<{ status: { resources: object[] } }>(kind, name);
    expect(status.resources).toEqual([{ field: 'hugepages.2Mi', value: '32Mi', from: 'spec' }]);
    expect(await set(kind, name, '--hugepages', 'none')).toContain('removed (was 32Mi)\n');
    expect(hugetlb(group)).toBe('max');
    expect(await pidsOf('web')).toEqual(pids);
  },
);

test('a limit of a container is on its leaf, and no other container’s changes', async () => {
  const pids = await pidsOf('web');
  await set('container', 'side', '--cell', 'web', '--hugepages', '2Mi=8Mi');
  expect([hugetlb(`${WEB}/side`), hugetlb(`${WEB}/web_root`), hugetlb(WEB)]).toEqual([String(8 * MiB), 'max', 'max']);
  expect(await pidsOf('web')).toEqual(pids);
  await kuke('stop', 'cell', 'web');
  await kuke('start', 'cell', 'web');
  expect([hugetlb(`${WEB}/side`), hugetlb(`${WEB}/web_root`)]).toEqual([String(8 * MiB), 'max']);
  await set('container', 'side', '--cell', 'web', '--hugepages', '2Mi=none');
  expect(hugetlb(`${WEB}/side`)).toBe('max');
  expect((await getCell('web')).spec.containers).toEqual([container('main'), container('side')]);
});

test('what this host cannot enforce is told, shown by get --resources with its reason, and refused with --strict', async () => {
  const refused = await failing(5, 'set', 'resources', 'cell', 'web', '--memory', '64Mi', '--strict');
  expect(refused).toContain('memory');
  expect((await getCell('web')).spec).not.toHaveProperty('resources');
  const told = await set('cell', 'web', '--memory', '64Mi', '--pids', '100', '--hugepages', '2Mi=64Mi');
  expect(told).toMatch(/memory\.limit.*not enforced|not enforced.*memory\.limit/);
  expect(hugetlb(WEB)).toBe(String(64 * MiB));
  const lines = (await kuke('get', 'cells', '--resources', '-o', 'wide')).trimEnd().split('\n');
  expect(lines.map(line => line.split(/ {2,}/).slice(0, 7))).toEqual([
    ['NAME', 'CPU-LIMIT', 'MEMORY', 'PIDS', 'OTHER-LIMITS', 'MANUAL', 'NOT-ENFORCED'],
    ['web', '-', '-', '-', 'hugepages.2Mi=64Mi', '-', 'memory.limit=64Mi,pids.limit=100'],
  ]);
  expect(lines[1]).toMatch(/(?:memory|pids)\S*$|controller/);
  expect(await failing(3, 'get', '--resources', '--cell', 'wbe')).toContain(
    'no cell with --cell wbe; there: main/default/default/web',
  );
  await set('container', 'side', '--cell', 'web', '--pids', '10');
  expect(await kuke('rollout', 'restart', 'web')).toMatch(
    /^cell main\/default\/default\/web restarted\n( {2}.*\n)* {2}spec\.containers\[side\]\.resources\.pids\.limit is not enforced: /,
  );
  await set('container', 'side', '--cell', 'web', '--pids', 'none');
  await apply(
    manifest('Space', 'default', { realmId: 'main', defaults: { container: { resources: { pids: { limit: 10 } } } } }),
  );
  const ran = await run(['run', '--rm', IMAGE, '--', 'echo', 'hi']);
  expect([ran.status, ran.stdout]).toEqual([0, 'hi\n']);
  expect(ran.stderr).toContain('spec.defaults.container.resources.pids.limit of space main/default is not enforced');
  await apply(manifest('Space', 'default', { realmId: 'main' }));
  // Those above are given what is reserved in them, where that is possible; here nothing is said of it.
  expect(await set('cell', 'web', '--memory-reservation', '8Mi')).toMatch(/memory\.reservation, .* not enforced/);
  for (const [kind = '', name = ''] of [
    ['stack', 'default'],
    ['space', 'default'],
    ['realm', 'main'],
  ]) {
    const { status } = await get<{ status: object }>(kind, name);
    expect(Object.keys(status).filter(key => /resources/i.test(key))).toEqual([]);
    expect((await set(kind, name, '--strict', '--hugepages', 'none')).trim()).toEndWith('unchanged');
  }
  await set('cell', 'web', '--memory', 'none', '--memory-reservation', 'none', '--pids', 'none', '--hugepages', 'none');
  expect((await kuke('get', 'cells', '--resources')).split('\n')[1]?.split(/ +/)).toEqual(['web', '-', '-', '-', '-']);
});

test.each([
  [['--cpu', '0'], 'spec.resources.cpu.limit'],
  [['--cpu', '8000'], 'spec.resources.cpu.limit'],
  [['--memory', '1Ei'], 'spec.resources.memory.limit'],
  [['--cpuset', '4000'], 'spec.resources.cpu.cpuset'],
  [['--device', '/dev/nothing:readBps=1Mi'], 'spec.resources.io.devices'],
  [['--hugepages', '3Mi=6Mi'], 'spec.resources.hugepages'],
  [['--hugepages', '2Mi=3Mi'], 'spec.resources.hugepages.2Mi: one page is 2Mi: the next that it can be is 4Mi'],
  [['--device', '/dev/null:readBps=1'], 'spec.resources.io.devices[0].readBps: must be at least 2 a second'],
])('%j makes no sense here: the field is named, and the old values stay', async (flags, field) => {
  await set('cell', 'web', '--hugepages', '2Mi=64Mi');
  const stderr = await failing(2, 'set', 'resources', 'cell', 'web', ...flags);
  expect(stderr).toContain(field);
  expect(stderr).toContain(`(give ${flags[0]} another value)`);
  expect((await getCell('web')).spec.resources).toEqual({ hugepages: { '2Mi': '64Mi' } });
  expect(hugetlb(WEB)).toBe(String(64 * MiB));
});

test('of a file nothing is applied when one limit makes no sense, or --strict cannot have one; all reasons are named', async () => {
  await set('cell', 'web', '--hugepages', '2Mi=64Mi');
  const stack = (resources: object) => manifest('Stack', 'default', { resources });
  const other = (resources: object) => cell('other', [container('main', { resources })]);
  const senseless = await tryApply(
    stack({ hugepages: { '2Mi': '32Mi' } }),
    other({ cpu: { cpuset: '4000' }, io: { devices: [{ path: '/dev/nothing', readBps: 4 }] } }),
  );
  expect(senseless).toMatchObject({
    status: 2,
    stdout: expect.stringContaining('stack main/default/default not applied'),
  });
  for (const field of ['cpu.cpuset', 'io.devices[0]'])
    expect(senseless.stderr).toContain(`cell main/default/default/other: spec.containers[main].resources.${field}: `);
  const memory = { memory: { limit: '64Mi' } };
  const documents = [stack(memory), other(memory)].map(one => JSON.stringify(one)).join('\n---\n');
  const strict = await run(['apply', '--strict', '-f', '-'], { stdin: documents });
  expect(strict.status).toBe(5);
  for (const field of ['spec.resources.memory.limit', 'spec.containers[main].resources.memory.limit'])
    expect(strict.stderr).toContain(`${field} cannot be enforced`);
  expect(hugetlb('/sys/fs/cgroup/kukeon/main/default/default')).toBe('max');
  expect(await failing(3, 'get', 'cell', 'other')).toContain('not found');
});

test('a value written by hand stays, and is manual', async () => {
  await set('cell', 'web', '--hugepages', '2Mi=64Mi');
  await Bun.write(`${WEB}/hugetlb.2MB.max`, `${16 * MiB}`);
  const told = await set('cell', 'web', '--hugepages', '2Mi=64Mi');
  expect(told).toMatch(/ unchanged\n/);
  const notInForce = 'spec.resources.hugepages.2Mi (64Mi) is not in force: hugetlb.2MB.max was set by hand to 16Mi';
  expect(told).toContain(notInForce);
  expect(await failing(5, 'set', 'resources', 'cell', 'web', '--cpu-weight', '5', '--strict')).toContain(notInForce);
  const [header, row] = (await kuke('get', 'cells', '--resources', '-o', 'wide')).split('\n');
  expect([header?.split(/ +/)[5], row?.split(/ +/)[5]]).toEqual(['MANUAL', 'hugepages.2Mi=16Mi']);
  const { stdout } = await run(['doctor']);
  expect(stdout).toContain('hugepages.2Mi of cell main/default/default/web was set by hand (hugetlb.2MB.max)');
  expect(hugetlb(WEB)).toBe(String(16 * MiB));
  await set('cell', 'web', '--hugepages', '2Mi=128Mi');
  expect(hugetlb(WEB)).toBe(String(128 * MiB));
});

test('a value written by hand stays when the manifest goes without, and goes when somebody asks for none', async () => {
  await set('cell', 'web', '--hugepages', '2Mi=64Mi');
  await Bun.write(`${WEB}/hugetlb.2MB.max`, `${16 * MiB}`);
  const spec = { containers: [container('main'), container('side')] };
  expect(await apply(cell('web', spec.containers))).toContain('hugepages.2Mi stays 16Mi');
  expect(hugetlb(WEB)).toBe(String(16 * MiB));
  expect(await set('cell', 'web', '--hugepages', '2048Ki=none')).toMatch(/^cell main\/default\/default\/web updated\n/);
  expect(hugetlb(WEB)).toBe('max');
  expect(await set('cell', 'web', '--hugepages', 'none')).toMatch(/ unchanged\n$/);
  // At once.
  await set('cell', 'web', '--hugepages', '2Mi=64Mi');
  await Bun.write(`${WEB}/hugetlb.2MB.max`, `${16 * MiB}`);
  const dry = await set('cell', 'web', '--hugepages', 'none', '--dry-run');
  expect([hugetlb(WEB), dry]).toEqual([String(16 * MiB), expect.stringContaining('cgroup.limit')]);
  await set('cell', 'web', '--hugepages', 'none');
  expect(hugetlb(WEB)).toBe('max');
});

test('a container with its limits from its space keeps those that are not named; and what has to be made anew runs on', async () => {
  const space = (defaults: object) =>
    manifest('Space', 'default', { realmId: 'main', defaults: { container: defaults } });
  await apply(space({ resources: { hugepages: { '2Mi': '64Mi' } } }));
  const pids = await pidsOf('web');
  const limits = async () => [hugetlb(`${WEB}/side`), (await getCell('web')).spec.containers.at(-1)?.resources];
  await apply(space({ resources: { hugepages: { '2Mi': '64Mi' } }, user: '65534' }));
  const told = await set('container', 'side', '--cell', 'web', '--pids', '100');
  expect(told).toContain('takes its limits from space main/default no more');
  expect(told).toContain('apply it for that');
  expect(await limits()).toEqual([String(64 * MiB), { hugepages: { '2Mi': '64Mi' }, pids: { limit: 100 } }]);
  await set('container', 'side', '--cell', 'web', '--pids', 'none', '--hugepages', 'none');
  expect(await limits()).toEqual(['max', {}]);
  expect(await pidsOf('web')).toEqual(pids);
});
