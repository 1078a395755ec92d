/** Watching: what has changed, from where a client is, at its own pace. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { makeRing } from '../../../src/daemon/revisions/ring.ts';
import type { Change } from '../../../src/kernel/changes.ts';
import { publish } from '../../fakes/index.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { serverOnFakes, type TestServer } from './server-on-fakes.ts';

interface Line {
  type: string;
  revision: string;
  object?: { kind: string; metadata: { name: string; labels?: Record<string, string> }; status?: { state: string } };
  error?: { code: string };
}

let api: TestServer;
beforeEach(async () => {
  api = await serverOnFakes();
  publish(api.on.host, { name: 'busybox' });
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

const pending = (name: string, labels: Record<string, string> = {}) =>
  JSON.stringify({ apiVersion: 'v1beta1', kind: 'Cell', metadata: { name, labels }, spec: {} });
const apply = async (text: string) => expect((await api.ask('POST', '/v1beta1/apply', text)).status).toBe(200);

/** Reads lines until one is as wanted; all that came. */
function watcher(path: string) {
  const gone = new AbortController();
  const lines: Line[] = [];
  let tell = Promise.withResolvers<void>();
  let status: number | undefined;
  const over = (async () => {
    const response = await fetch(`http://kukeond${path}`, { unix: api.socketPath, signal: gone.signal });
    status = response.status;
    let rest = '';
    for await (const piece of response.body ?? []) {
      const parts = (rest + new TextDecoder().decode(piece)).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts.map(line => JSON.parse(line) as Line));
      tell.resolve();
      tell = Promise.withResolvers();
    }
  })()
    .catch(() => {})
    .finally(() => tell.resolve());
  return {
    lines,
    over,
    status: () => status,
    async until(wanted: (line: Line) => boolean): Promise<Line> {
      for (;;) {
        const found = lines.find(wanted);
        if (found !== undefined) return found;
        await tell.promise;
      }
    },
    [Symbol.dispose]: () => gone.abort(),
  };
}

const named = (type: string, name: string) => (line: Line) => line.type === type && line.object?.metadata.name === name;
const told = ({ lines }: { lines: Line[] }) =>
  lines.flatMap(({ type, object }) => (object ? [`${type} ${object.metadata.name}`] : []));

test('what is there, a bookmark, and then what changes', async () => {
  await apply(pending('one'));
  using watch = watcher('/v1beta1/cells?watch=true');
  await watch.until(({ type }) => type === 'BOOKMARK');
  expect(told(watch)).toEqual(['ADDED one']);
  await apply(cellYaml('two'));
  const { object } = await watch.until(named('ADDED', 'two'));
  expect(object).toMatchObject({ kind: 'Cell' });
  await api.ask('DELETE', '/v1beta1/realms/main/spaces/default/stacks/default/cells/two?cascade=true');
  expect((await watch.until(named('DELETED', 'two'))).object?.status?.state).toBe('Deleted');
});

test('resumed from a revision, with nothing twice and nothing missed', async () => {
  await apply(pending('one'));
  const list = (await api.ask('GET', '/v1beta1/cells')).json as { metadata: { revision: string } };
  await apply(pending('two'));
  await apply(pending('three'));
  using watch = watcher(`/v1beta1/cells?watch=true&revision=${list.metadata.revision}`);
  await watch.until(() => watch.lines.length === 2);
  expect(told(watch).sort()).toEqual(['ADDED three', 'ADDED two']);
  const { revision } = watch.lines[1] ?? { revision: '' };
  using later = watcher(`/v1beta1/cells?watch=true&revision=${revision}`);
  await apply(pending('four'));
  await later.until(named('ADDED', 'four'));
  expect(told(later)).toEqual(['ADDED four']);
});

test('a selector: what fits no more is gone, what fits now has come', async () => {
  using blog = watcher('/v1beta1/cells?watch=true&labelSelector=app%3Dblog');
  await blog.until(({ type }) => type === 'BOOKMARK');
  await apply(pending('one', { app: 'blog' }));
  await blog.until(named('ADDED', 'one'));
  await apply(pending('one', { app: 'blog', tier: 'web' }));
  await blog.until(named('MODIFIED', 'one'));
  await apply(pending('other', { app: 'shop' }));
  await apply(pending('one', { app: 'shop' }));
  await blog.until(named('DELETED', 'one'));
  await apply(pending('other', { app: 'blog' }));
  await blog.until(named('ADDED', 'other'));
  expect(told(blog)).toEqual(['ADDED one', 'MODIFIED one', 'DELETED one', 'ADDED other']);
});

test('one resource, and those that a cell declares', async () => {
  using one = watcher('/v1beta1/realms/main/spaces/default/stacks/default/cells/web?watch=true');
  using containers = watcher('/v1beta1/containers?watch=true');
  await Promise.all([one, containers].map(watch => watch.until(({ type }) => type === 'BOOKMARK')));
  await apply(`${cellYaml('other')}\n---\n${cellYaml('web')}`);
  await one.until(named('ADDED', 'web'));
  expect(told(one).some(line => line.includes('other'))).toBe(false);
  expect((await containers.until(named('ADDED', 'web'))).object?.kind).toBe('Container');
});

test('what somebody else has changed is seen too', async () => {
  using watch = watcher('/v1beta1/cells?watch=true');
  await watch.until(({ type }) => type === 'BOOKMARK');
  await api.on.apply(cellYaml('web'));
  // The fakes tell of nothing: who reads looks.
  await api.ask('GET', '/v1beta1/cells?fresh=true');
  await watch.until(named('ADDED', 'web'));
});

test('a thousand clients are told of a change, and one that does not read holds nobody up', async () => {
  const deaf = connect(api.socketPath);
  deaf.on('error', () => {});
  deaf.write('GET /v1beta1/cells?watch=true HTTP/1.1\r\nhost: x\r\n\r\n');
  deaf.pause();
  // Bun's fetch has 256 requests at once at most.
  const heard = new Map<Socket, string>();
  for (let index = 0; index < 1000; index++) {
    const socket = await api.open();
    heard.set(socket, '');
    socket.on('data', piece => heard.set(socket, heard.get(socket) + piece.toString()));
    socket.write('GET /v1beta1/cells?watch=true HTTP/1.1\r\nhost: x\r\n\r\n');
  }
  const allHeard = async (what: string) => {
    while (heard.values().some(text => !text.includes(what))) await Bun.sleep(5);
  };
  await allHeard('BOOKMARK');
  expect(api.server.counts().watchers).toBe(1001);
  await apply(pending('one'));
  await allHeard('"type":"ADDED"');
  for (const socket of heard.keys()) socket.destroy();
  deaf.destroy();
  while (api.server.counts().watchers > 0) await Bun.sleep(5);
}, 60_000);

test('the server ends, and so does what streams', async () => {
  using watch = watcher('/v1beta1/cells?watch=true');
  await watch.until(({ type }) => type === 'BOOKMARK');
  await api.server.stop(100);
  await watch.over;
  expect(watch.status()).toBe(200);
});

describe('the ring', () => {
  const change = (name: string, size = 1): { change: Change; size: number } => ({
    size,
    change: {
      event: 'ADDED',
      resource: {
        ref: { kind: 'Cell', path: [name] },
        manifest: { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name }, spec: {} },
        spec: {},
      },
    },
  });

  test('keeps the last so many, in their order, whatever was pushed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat({ max: 5 })), (capacity, pushes) => {
        const ring = makeRing(capacity, '00c0ffee');
        const all: string[] = [];
        for (const count of pushes) {
          const names = Array.from({ length: count }, (_, index) => `${all.length + index}`);
          all.push(...names);
          ring.push(names.map(name => change(name)));
        }
        expect(ring.latest).toBe(`00c0ffee-${all.length}`);
        for (let revision = 1; revision <= all.length; revision++) {
          const entry = ring.at(revision);
          if (revision <= all.length - capacity) expect(entry).toBeUndefined();
          else expect(entry?.resource.ref.path).toEqual([all[revision - 1] ?? '']);
        }
        expect(ring.at(0)).toBeUndefined();
        expect(ring.at(all.length + 1)).toBeUndefined();
        // Whoever has seen all that is not kept any more can go on.
        const oldest = Math.max(0, all.length - capacity);
        expect(ring.read(ring.token(oldest))).toBe(oldest);
        if (oldest > 0) expect(() => ring.read(ring.token(oldest - 1))).toThrow('too old');
        expect(() => ring.read(ring.token(all.length + 1))).toThrow();
      }),
    );
  });

  test('keeps no more than so much, and the last one whatever its size', () => {
    const ring = makeRing(100, '00c0ffee', 10);
    const kept = () => [1, 2, 3, 4, 5, 6].filter(revision => ring.at(revision) !== undefined);
    ring.push([change('a', 4), change('b', 4), change('c', 2)]);
    expect(kept()).toEqual([1, 2, 3]);
    ring.push([change('d', 3)]);
    expect([kept(), ring.reaches(1), ring.reaches(0)]).toEqual([[2, 3, 4], true, false]);
    expect(() => ring.read(ring.token(0))).toThrow('too old');
    ring.push([change('e', 1000)]);
    expect(kept()).toEqual([5]);
    ring.push([change('f', 1)]);
    expect([kept(), ring.read(ring.token(5))]).toEqual([[6], 5]);
  });

  test('refuses what is none, and what is of another daemon', () => {
    const ring = makeRing(4, '00c0ffee');
    for (const bad of ['', '1', 'x-1', '00c0ffee-', '00c0ffee--1', '00c0ffee-1e3', '00c0ffee-1 ', '00C0FFEE-0'])
      expect(() => ring.read(bad)).toThrow('is none');
    expect(() => ring.read('deadbeef-0')).toThrow('earlier daemon');
  });

  test('a line is made once for all', () => {
    const ring = makeRing(4);
    ring.push([change('a')]);
    const entry = ring.at(1);
    expect(entry?.line('ADDED')).toBe(entry?.line('ADDED') ?? '');
    expect(JSON.parse(entry?.line('DELETED') ?? '')).toMatchObject({
      type: 'DELETED',
      revision: ring.latest,
      object: { kind: 'Cell' },
    });
  });
});
