/** The API as a client sees it: every route, on the kinds and a host in memory. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { publish } from '../../fakes/index.ts';
import { cellRef, cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type Asked, serverOnFakes, type TestServer } from './server-on-fakes.ts';

const CELLS = '/v1beta1/realms/main/spaces/default/stacks/default/cells';

let api: TestServer;
beforeAll(async () => {
  api = await serverOnFakes();
  publish(api.on.host, { name: 'busybox' });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

const list = (asked: Asked) =>
  asked.json as { metadata: { revision: string }; items: { metadata: { name: string } }[] };
const names = (asked: Asked) => list(asked).items.map(({ metadata }) => metadata.name);
const errorOf = (asked: Asked) => (asked.json as { error: { code: string; field?: string; message: string } }).error;
const resultOf = (asked: Asked) =>
  asked.json as {
    outcomes: { resource: string; result: string; changes: { path: string }[] }[];
    exitCode: number;
    plan?: { step: string; command: string }[];
  };
const linesOf = ({ text }: Asked) =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>);

test('a cell is planned, applied, read, changed, stopped, started and deleted', async () => {
  const planned = await api.ask('POST', '/v1beta1/apply?dryRun=true', cellYaml('web'));
  expect(planned.status).toBe(200);
  expect(resultOf(planned).plan?.map(({ step }) => step)).toContain('runtime.start');
  expect(api.on.host.calls).toEqual(expect.not.arrayContaining([expect.objectContaining({ action: 'runtime.start' })]));

  const applied = await api.ask('POST', '/v1beta1/apply', cellYaml('web'));
  expect(resultOf(applied)).toMatchObject({
    outcomes: [{ resource: 'cell main/default/default/web', result: 'created' }],
    exitCode: 0,
  });

  // Who reads after a change is told of it.
  const got = await api.ask('GET', `${CELLS}/web`);
  expect(got.json).toMatchObject({ kind: 'Cell', metadata: { name: 'web' }, status: { state: 'Ready' } });
  expect(got.headers.get('kuke-revision')).toBe(list(await api.ask('GET', CELLS)).metadata.revision);
  expect((await api.ask('GET', `${CELLS}/WEB`)).status).toBe(200);
  expect(names(await api.ask('GET', `${CELLS}/web/containers`))).toEqual(['web']);
  expect((await api.ask('GET', `${CELLS}/web/containers/web`)).json).toMatchObject({ kind: 'Container' });

  const more = cellYaml('web', '[{ id: web, image: busybox, root: true, env: [A=b] }]');
  const diff = await api.ask('POST', '/v1beta1/diff', more);
  expect(resultOf(diff).outcomes[0]?.changes.map(({ path }) => path)).toEqual(['spec.containers[web].env']);
  expect(resultOf(await api.ask('POST', '/v1beta1/apply', more)).outcomes[0]?.result).toBe('updated');
  expect(resultOf(await api.ask('POST', '/v1beta1/apply', more)).outcomes[0]?.result).toBe('unchanged');
  // What is read can be applied.
  const { text } = await api.ask('GET', `${CELLS}/web`);
  expect(resultOf(await api.ask('POST', '/v1beta1/apply', text)).outcomes[0]?.result).toBe('unchanged');

  expect((await api.ask('POST', `${CELLS}/web/stop?timeout=1s`)).status).toBe(200);
  expect((await api.ask('GET', `${CELLS}/web`)).json).toMatchObject({
    spec: { desiredState: 'stopped' },
    status: { state: 'Stopped' },
  });
  expect((await api.ask('POST', `${CELLS}/web/start`)).status).toBe(200);
  expect((await api.ask('GET', `${CELLS}/web`)).json).toMatchObject({ status: { state: 'Ready' } });
  expect((await api.ask('POST', `${CELLS}/web/kill`)).status).toBe(200);

  const refused = await api.ask('DELETE', `${CELLS}/web`);
  expect({ status: refused.status, ...errorOf(refused) }).toMatchObject({
    status: 409,
    code: 'HasChildren',
    remedy: 'delete them first, or say `cascade=true`',
  });
  expect((await api.ask('DELETE', `${CELLS}/web?cascade=true&force=true`)).status).toBe(200);
  expect((await api.ask('GET', `${CELLS}/web`)).status).toBe(404);
  const gone = await api.ask('DELETE', `${CELLS}/web?cascade=true`);
  expect({ status: gone.status, code: errorOf(gone).code }).toEqual({ status: 404, code: 'NotFound' });
});

test('a change is told as it goes on, and its last line says how it ended', async () => {
  const asked = await api.ask('POST', '/v1beta1/apply', `${cellYaml('one')}\n---\n${cellYaml('two')}`, {
    accept: '*/*',
  });
  expect(asked.headers.get('content-type')).toBe('application/x-ndjson');
  const lines = linesOf(asked);
  expect(lines.filter(({ type }) => type === 'progress').map(({ step }) => step)).toContain('network.attach');
  expect(lines.filter(({ type }) => type === 'outcome').map(({ resource }) => resource)).toEqual([
    'cell main/default/default/one',
    'cell main/default/default/two',
  ]);
  expect(lines.at(-1)).toEqual({ type: 'result', exitCode: 0 });
  const failing = linesOf(
    await api.ask('POST', '/v1beta1/apply', cellYaml('bad', '[{ id: a, image: nowhere, root: true }]'), {
      accept: '*/*',
    }),
  );
  expect(failing.at(-1)).toMatchObject({ type: 'result', exitCode: 3, error: { code: 'ImageNotFound' } });
});

test('apply waits until it is Ready, and takes back what does not become so', async () => {
  const running = (name: string, command = '') =>
    cellYaml(name, `[{ id: main, image: busybox, root: true, restartPolicy: always${command} }]`);
  const ending = ", command: /bin/sh, args: ['-c', 'exit 3']";
  const waited = await api.ask('POST', '/v1beta1/apply?wait=10s', running('waited'), { accept: '*/*' });
  const [outcome, notice, result] = linesOf(waited).slice(-3);
  expect(outcome).toMatchObject({ type: 'outcome', result: 'created' });
  expect(notice).toEqual({ type: 'notice', message: 'cell main/default/default/waited is Ready' });
  expect(result).toEqual({ type: 'result', exitCode: 0 });

  // It is to be started again, and nobody does that here.
  const late = await api.ask('POST', '/v1beta1/apply?wait=100ms', running('waited', ending));
  expect(late.status).toBe(504);
  expect(late.json).toMatchObject({
    outcomes: [{ result: 'updated' }],
    exitCode: 6,
    error: { code: 'TimedOut', remedy: 'give a longer `wait`, or see its status' },
  });
  await api.ask('POST', '/v1beta1/apply', running('waited'));
  api.audited.length = 0;
  const taken = await api.ask(
    'POST',
    '/v1beta1/apply?atomic=true&wait=100ms',
    `${running('waited', ending)}\n---\n${running('extra')}`,
  );
  expect(taken.status).toBe(504);
  expect(taken.json).toMatchObject({
    outcomes: [{ result: 'updated' }, { result: 'created' }],
    notices: expect.arrayContaining([
      'taken back: cell main/default/default/waited updated',
      'taken back: cell main/default/default/extra deleted',
    ]),
    error: { code: 'TimedOut', remedy: 'what was applied has been taken back' },
  });
  expect((await api.ask('GET', `${CELLS}/waited`)).json).toMatchObject({ status: { state: 'Ready' } });
  expect((await api.ask('GET', `${CELLS}/extra`)).status).toBe(404);
  expect(api.audited.map(({ isGoingOn, outcomes }) => (isGoingOn ? 'begun' : outcomes.length))).toEqual(['begun', 4]);
  // What cannot be applied at all: likewise, and that is the failure.
  const absent = cellYaml('absent', '[{ id: a, image: nowhere, root: true }]');
  const refused = await api.ask('POST', '/v1beta1/apply?atomic=true', `${running('extra')}\n---\n${absent}`);
  expect([refused.status, errorOf(refused).code]).toEqual([404, 'ImageNotFound']);
  expect((await api.ask('GET', `${CELLS}/extra`)).status).toBe(404);
  expect((await api.ask('POST', `${CELLS}/waited/undo?wait=100ms&dryRun=true`)).status).toBe(200);
  await api.ask('DELETE', `${CELLS}/waited?cascade=true`);
});

test('until: the line in which it is so is the last', async () => {
  const typesIn = (asked: Asked) => linesOf(asked).map(({ type }) => type);
  await api.ask('POST', `${CELLS}/one/stop`);
  expect(typesIn(await api.ask('GET', `${CELLS}/one?until=stopped`))).toEqual(['ADDED']);
  const started = api.ask('GET', `${CELLS}/one?until=Ready`);
  await api.ask('POST', `${CELLS}/one/start`);
  const last = linesOf(await started).at(-1);
  expect(last).toMatchObject({ type: 'MODIFIED', object: { status: { state: 'Ready' } } });
  expect(typesIn(await api.ask('GET', `${CELLS}/nope?until=deleted`))).toEqual(['BOOKMARK']);
  expect((await api.ask('GET', `${CELLS}/nope?until=Ready`)).status).toBe(404);
});

test('lists are of a scope, of labels, of all', async () => {
  const labelled = {
    apiVersion: 'v1beta1',
    kind: 'Cell',
    metadata: { name: 'three', labels: { app: 'blog' } },
    spec: {},
  };
  expect(
    (await api.ask('POST', '/v1beta1/apply', { apiVersion: 'v1beta1', kind: 'List', items: [labelled] })).status,
  ).toBe(200);
  expect(names(await api.ask('GET', CELLS))).toEqual(expect.arrayContaining(['one', 'three', 'two']));
  expect(names(await api.ask('GET', '/v1beta1/cells?labelSelector=app%3Dblog'))).toEqual(['three']);
  expect(names(await api.ask('GET', '/v1beta1/cells?realm=main&labelSelector=!app'))).not.toContain('three');
  expect(names(await api.ask('GET', '/v1beta1/containers'))).toHaveLength(2);
  expect(names(await api.ask('GET', '/v1beta1/realms'))).toEqual(['main']);
  expect((await api.ask('GET', '/v1beta1/cells?realm=other')).status).toBe(404);
  expect((await api.ask('GET', '/v1beta1/realms/main/spaces/other/stacks')).status).toBe(404);
});

test('images are listed, pulled, removed and pruned', async () => {
  const images = '/v1beta1/realms/main/images';
  const imageNames = async () =>
    ((await api.ask('GET', images)).json as { items: { name: string }[] }).items.map(one => one.name);
  expect(await imageNames()).toEqual(['docker.io/library/busybox:latest']);
  const missing = await api.ask('POST', `${images}/pull`, { name: 'nowhere' });
  expect({ status: missing.status, ...errorOf(missing) }).toMatchObject({
    status: 404,
    code: 'ImageNotFound',
    resource: 'image nowhere',
  });
  const used = await api.ask('POST', `${images}/remove`, { name: 'busybox' });
  expect({ status: used.status, code: errorOf(used).code }).toEqual({ status: 409, code: 'Conflict' });
  const mistyped = await api.ask('POST', `${images}/pull`, { nam: 'x' });
  expect({ status: mistyped.status, message: errorOf(mistyped).message }).toEqual({
    status: 400,
    message: 'nam: unknown field; did you mean `name`?',
  });
  expect((await api.ask('POST', `${images}/prune?dryRun=true`)).json).toEqual({ removed: [], bytes: 0 });
});

test('the host tells of itself', async () => {
  expect((await api.ask('GET', '/healthz')).text).toBe('ok\n');
  expect((await api.ask('GET', '/version')).json).toMatchObject({ version: '0.0.0', runtime: { name: 'fake' } });
  expect((await api.ask('GET', '/v1beta1/doctor')).json).toHaveProperty('items');
  expect((await api.ask('POST', '/v1beta1/doctor')).json).toHaveProperty('items');
});

test('a log is read, and its end', async () => {
  const { logPath } = (
    (await api.on.get('Cell', ...cellRef('one').path)).manifest.status as { containers: { logPath: string }[] }
  ).containers[0] ?? { logPath: '' };
  expect(logPath).not.toBe('');
  // The fakes write none; one that is not there is empty.
  expect(await api.ask('GET', `${CELLS}/one/logs`)).toMatchObject({ status: 200, text: '' });
  expect((await api.ask('GET', `${CELLS}/one/logs?container=nope`)).status).toBe(404);
  for (const query of ['tail=x', 'since=yesterday', 'timestamps=yes']) {
    const refused = await api.ask('GET', `${CELLS}/one/logs?${query}`);
    expect(refused.status).toBe(400);
    expect(errorOf(refused).message).toContain('must be');
  }
  expect((await api.ask('GET', `${CELLS}/one/logs?since=5m&timestamps=true`)).status).toBe(200);
  expect((await api.ask('GET', `${CELLS}/one/logs?previous=true`)).status).toBe(404);
});

test('what changes something is told to the audit log, and what only looks is not', async () => {
  api.audited.length = 0;
  await api.ask('POST', '/v1beta1/apply?dryRun=true', cellYaml('four'));
  await api.ask('GET', CELLS);
  expect(api.audited).toEqual([]);
  await api.ask('POST', `${CELLS}/one/stop`);
  await api.ask('DELETE', `${CELLS}/nope`);
  expect(
    api.audited.map(({ request, outcomes, error, actor, isGoingOn, hasBegun }) => [
      request,
      isGoingOn ? 'goes on' : hasBegun,
      outcomes.map(one => one.result),
      error?.code,
      actor.uid,
    ]),
  ).toEqual([
    [`POST ${CELLS}/one/stop`, 'goes on', [], undefined, process.getuid?.()],
    [`POST ${CELLS}/one/stop`, true, ['updated'], undefined, process.getuid?.()],
    [`DELETE ${CELLS}/nope`, false, ['not found'], 'NotFound', process.getuid?.()],
  ]);
  const [begun, ended, other] = api.audited;
  expect([begun?.id === ended?.id, ended?.id === other?.id]).toEqual([true, false]);
});

const refusals: [
  what: string,
  method: string,
  path: string,
  body: string | undefined,
  status: number,
  code: string,
  field?: string,
][] = [
  ['an unknown path', 'GET', '/v1beta1/nowhere', undefined, 404, 'NotFound'],
  ['another method', 'PUT', '/v1beta1/cells', undefined, 405, 'MethodNotAllowed'],
  ['an unknown parameter', 'GET', '/v1beta1/cells?lableSelector=a', undefined, 400, 'Usage', 'lableSelector'],
  ['one that is given twice', 'GET', '/v1beta1/cells?watch=true&watch=true', undefined, 400, 'Usage', 'watch'],
  ['a parameter of another type', 'POST', `${CELLS}/one/stop?timeout=soon`, undefined, 400, 'Usage', 'timeout'],
  ['a state that there is not', 'GET', `${CELLS}/one?until=redy`, undefined, 400, 'Usage', 'until'],
  ['a bad selector', 'GET', '/v1beta1/cells?labelSelector=%3D', undefined, 400, 'Usage'],
  ['a bad name', 'GET', `${CELLS}/a--b`, undefined, 400, 'Usage', 'cell'],
  ['a bad encoding', 'GET', `${CELLS}/%zz`, undefined, 400, 'Usage'],
  ['a name that climbs', 'GET', `${CELLS}/%2e%2e%2fetc`, undefined, 400, 'Usage', 'cell'],
  ['a bad revision', 'GET', '/v1beta1/cells?watch=true&revision=7', undefined, 400, 'Usage', 'revision'],
  [
    'a revision of another daemon',
    'GET',
    '/v1beta1/cells?watch=true&revision=00000000-1',
    undefined,
    410,
    'Gone',
    'revision',
  ],
  ['no manifest', 'POST', '/v1beta1/apply', '', 400, 'InvalidManifest'],
  ['no YAML', 'POST', '/v1beta1/apply', 'a: [', 400, 'InvalidManifest'],
  ['no map', 'POST', '/v1beta1/apply', '[1]', 400, 'InvalidManifest'],
  [
    'an unknown kind',
    'POST',
    '/v1beta1/apply',
    '{"apiVersion":"v1beta1","kind":"Pod","metadata":{"name":"a"}}',
    400,
    'InvalidManifest',
    'kind',
  ],
  [
    'an unknown field',
    'POST',
    '/v1beta1/apply',
    cellYaml('a', '[{ id: a, imgae: b, root: true }]'),
    400,
    'InvalidManifest',
    'spec.containers[0].imgae',
  ],
  [
    'a field of later',
    'POST',
    '/v1beta1/apply',
    cellYaml('a', '[{ id: a, image: b, root: true, volumes: [{ kind: volume, source: /x, target: /y }] }]'),
    422,
    'Unsupported',
    'spec.containers[0].volumes[0].kind',
  ],
  ['the same twice', 'POST', '/v1beta1/apply', `${cellYaml('a')}\n---\n${cellYaml('A')}`, 400, 'InvalidManifest'],
  ['too much YAML in one', 'POST', '/v1beta1/apply', `a: "${'x'.repeat(300_000)}"`, 413, 'TooLarge'],
  ['nesting', 'POST', '/v1beta1/apply', '['.repeat(100_000), 400, 'InvalidManifest'],
  [
    'an alias bomb',
    'POST',
    '/v1beta1/apply',
    `a: &a [x,x,x,x,x,x,x,x]\nb: &b [${'*a,'.repeat(20)}]\nc: &c [${'*b,'.repeat(20)}]\nd: [${'*c,'.repeat(20)}]`,
    400,
    'InvalidManifest',
  ],
];

test.each(refusals.map(one => [one[0], one] as const))('refused: %s', async (_, refusal) => {
  const [, method, path, body, status, code, field] = refusal;
  const asked = await api.ask(method, path, body);
  expect({ status: asked.status, ...errorOf(asked) }).toMatchObject({
    status,
    code,
    ...(field && { field }),
  });
  expect(errorOf(asked).message).not.toBe('');
});

test('of several bad documents each is named', async () => {
  const bad = (name: string) => cellYaml(name, '[{ id: a, imgae: b, root: true }]');
  const asked = await api.ask('POST', '/v1beta1/apply', `${bad('a')}\n---\n${bad('b')}`);
  const { step, also } = errorOf(asked) as unknown as { step: string; also: { step: string }[] };
  expect([step, ...also.map(one => one.step)]).toEqual(expect.arrayContaining(['document 1', 'document 2']));
});

test('nothing is set up: that is said, and what needs nothing answers', async () => {
  await using empty = await serverOnFakes({ isInitialised: false });
  expect((await empty.ask('GET', '/healthz')).status).toBe(200);
  const asked = await empty.ask('POST', '/v1beta1/apply', cellYaml('web'));
  expect({ status: asked.status, code: errorOf(asked).code }).toEqual({ status: 503, code: 'NotInitialised' });
});

test('containerd is away: resources are Unknown, changes say why', async () => {
  await using offline = await serverOnFakes();
  publish(offline.on.host, { name: 'busybox' });
  await offline.ask('POST', '/v1beta1/apply', cellYaml('web'));
  offline.on.host.runtime.up = false;
  expect((await offline.ask('GET', `${CELLS}/web?fresh=true`)).json).toMatchObject({ status: { state: 'Unknown' } });
  const asked = await offline.ask('POST', `${CELLS}/web/stop`);
  expect({ status: asked.status, code: errorOf(asked).code }).toEqual({ status: 503, code: 'RuntimeUnavailable' });
});
