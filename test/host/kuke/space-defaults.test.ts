// containerd: once, since what they come to is the engine's.
/** What a space gives to its containers, and limits that somebody else has written. In a box hugetlb alone is real. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cell, container, getCell, IMAGE, manifest, pidsOf, shell } from './cells.ts';
import { apply, applyFailing, get, kuke, tryApply } from './kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

const STACK = '/sys/fs/cgroup/kukeon/main/default/default';
const FILE = 'hugetlb.2MB.max';
const MiB = 2 ** 20;

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
});
afterEach(async () => {
  await removeCells();
  await apply(space({}));
  expect(await leaks(host.before)).toEqual([]);
});
afterAll(() => host.containerd.stop());

const space = (defaults: object, spec = {}) =>
  manifest('Space', 'default', { realmId: 'main', ...spec, defaults: { container: defaults } });
const pages = (limit: string) => ({ resources: { hugepages: { '2Mi': limit } } });
const value = (group: string) => Number(readFileSync(`${STACK}/${group}/${FILE}`, 'utf8')) / MiB;
const userOf = (pid = 0) => Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

test('limits come to running containers at once; the rest with the next apply, and the space says who waits', async () => {
  await apply(cell('web', [container('main'), container('side', { ...pages('6Mi'), user: '1000' })]));
  const pids = await pidsOf('web');
  const told = await apply(space({ ...pages('4Mi'), user: '65534', readOnlyRootFilesystem: true }));
  expect(told).toContain('cell main/default/default/web: its containers have to be made anew for that: apply it again');
  expect([value('web/web_root'), value('web/side')]).toEqual([4, 6]);
  expect(await pidsOf('web')).toEqual(pids);
  const outdated = 'it runs as it was made before its manifest or its space was changed: apply its cell';
  expect((await getCell('web')).status.containers).toMatchObject([{ outdated }, { outdated }]);
  expect(await kuke('describe', 'cell', 'web')).toContain(outdated);
  await apply(cell('web', [container('main'), container('side', { ...pages('6Mi'), user: '1000' })]));
  const { main, side } = await pidsOf('web');
  expect([userOf(main), userOf(side)]).toEqual([65534, 1000]);
  expect([value('web/web_root'), value('web/side')]).toEqual([4, 6]);
  const from = 'space main/default';
  expect((await getCell('web')).status.containers).toMatchObject([
    {
      resources: [{ field: 'hugepages.2Mi', value: '4Mi', from }],
      defaults: { user: { value: '65534', from }, readOnlyRootFilesystem: { value: true, from } },
    },
    { resources: [{ value: '6Mi', from: 'spec' }], defaults: { readOnlyRootFilesystem: { value: true, from } } },
  ]);
  expect(await kuke('describe', 'cell', 'web')).not.toContain(outdated);
  expect(await apply(cell('web', [container('main'), container('side', { ...pages('6Mi'), user: '1000' })]))).toContain(
    'unchanged',
  );
  await apply(space({ ...pages('8Mi'), user: '65534', readOnlyRootFilesystem: true }));
  expect([value('web/web_root'), value('web/side')]).toEqual([8, 6]);
});

test('what an administrator wrote stays and is shown, until the manifest asks for something else', async () => {
  await apply(cell('web', [container('main', pages('4Mi'))], pages('16Mi')));
  writeFileSync(`${STACK}/web/${FILE}`, `${12 * MiB}`);
  writeFileSync(`${STACK}/web/web_root/${FILE}`, `${2 * MiB}`);
  expect(await apply(cell('web', [container('main', pages('4Mi'))], pages('16Mi')))).toContain('unchanged');
  const { status } = await get<{ status: { resources: object[]; containers: { resources: object[] }[] } }>(
    'cell',
    'web',
  );
  expect(status.resources).toEqual([{ field: 'hugepages.2Mi', value: '12Mi', from: 'manual', asked: '16Mi' }]);
  expect(status.containers[0]?.resources).toEqual([
    { field: 'hugepages.2Mi', value: '2Mi', from: 'manual', asked: '4Mi' },
  ]);
  const { stdout, stderr } = await tryApply(cell('web', [container('main', pages('6Mi'))], pages('16Mi')));
  expect(`${stdout}${stderr}`).toContain('was set by hand: 2Mi');
  expect([value('web'), value('web/web_root')]).toEqual([12, 6]);
});

test('a child that asks for more than its ancestor has runs, and is told by whom it is held', async () => {
  await apply(space({}, pages('8Mi')));
  const told = await apply(cell('web', [container('main', pages('32Mi'))], pages('16Mi')));
  expect(told).toContain(
    'spec.resources.hugepages.2Mi asks for 16Mi, which is more than it can have in space main/default (hugepages.2Mi 8Mi)',
  );
  expect(told).toContain('in cell main/default/default/web (hugepages.2Mi 16Mi) and space main/default');
});

test('a start that fails leaves no group of a container, a stop keeps what was known, a start has the limits again', async () => {
  await applyFailing(1, cell('web', [shell('main', 'exit 0', { command: ['/nope'], ...pages('4Mi') })]));
  expect(existsSync(`${STACK}/web`)).toBe(false);
  await apply(cell('web', [container('main', { image: IMAGE, ...pages('4Mi') })]));
  for (let round = 0; round < 2; round++) {
    await kuke('stop', 'cell', 'web');
    await kuke('start', 'cell', 'web');
    expect(value('web/web_root')).toBe(4);
  }
});
