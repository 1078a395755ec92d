/** Anything at all, sent to the API: no crash, no 500, and no growth. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import fc from 'fast-check';
import { routesFor } from '../../../src/daemon/routes/table.ts';
import { publish } from '../../fakes/index.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { serverOnFakes, type TestServer } from './server-on-fakes.ts';

let api: TestServer;
let paths: string[];
let queries: string[];
beforeAll(async () => {
  api = await serverOnFakes({ limits: { requestMs: 500 } });
  publish(api.on.host, { name: 'busybox' });
  await api.ask('POST', '/v1beta1/apply', cellYaml('web'));
  const { routes, upgrades } = routesFor(api.on.kernel.kinds, '', () => {});
  paths = [...routes, ...upgrades].map(({ path }) => path);
  queries = [...new Set([...routes, ...upgrades].flatMap(({ query = {} }) => Object.keys(query)))];
}, 20_000);
afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

/** Codes that blame kuke. */
const BUGS = new Set(['Internal', 'PluginFailed', 'UndoFailed']);

function refuseBug(what: unknown, status: number, text: string): void {
  const { error }: { error?: { code: string; message: string } } = text.startsWith('{"error"') ? JSON.parse(text) : {};
  if (status === 500 || (error !== undefined && (BUGS.has(error.code) || error.message === '')))
    throw new Error(`${status} for ${JSON.stringify(what)}: ${text.slice(0, 500)}`);
  expect(status).toBeWithin(100, 600);
  expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
}

const word = fc.oneof(
  fc.constantFrom(
    'main',
    'default',
    'web',
    'a--b',
    '..',
    '%2e%2e%2f',
    '%00',
    '%zz',
    'root',
    '',
    '*',
    'MAIN',
    'x'.repeat(300),
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map(encodeURIComponent),
);
const value = fc.oneof(
  fc.constantFrom(
    'true',
    'false',
    '',
    '-1',
    '1e9',
    '10s',
    'a=b',
    '!',
    '999999999999999999',
    '00000000-1',
    'null',
    '__proto__',
  ),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
);
const json = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc
    .record(
      {
        apiVersion: fc.constantFrom('v1beta1', 'v1', 1),
        kind: fc.constantFrom('Realm', 'Space', 'Stack', 'Cell', 'Container', 'List', '__proto__', 7),
        metadata: fc.oneof(fc.record({ name: fc.oneof(word, fc.integer()) }), fc.jsonValue()),
        spec: fc.oneof(
          fc.jsonValue(),
          fc.record({
            containers: fc.array(
              fc.dictionary(
                fc.constantFrom(
                  'id',
                  'image',
                  'root',
                  'ports',
                  'resources',
                  'env',
                  'volumes',
                  'healthcheck',
                  'dependsOn',
                ),
                fc.jsonValue(),
              ),
            ),
          }),
        ),
        items: fc.array(fc.jsonValue(), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    )
    .map(one => JSON.stringify(one)),
);
const body = fc.oneof(
  json,
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    '{',
    '[',
    '---\n---',
    '&a [*a]',
    '!!js/function x',
    '%YAML 9',
    '\ufeff',
    '"\\ud800"',
    '- '.repeat(2000),
  ),
);

const request = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD'),
  path: fc.oneof(
    {
      weight: 5,
      arbitrary: fc.nat().chain(at => fc.array(word, { minLength: 6, maxLength: 6 }).map(words => ({ at, words }))),
    },
    { weight: 1, arbitrary: fc.webPath() },
  ),
  query: fc.array(fc.tuple(fc.nat(), value), { maxLength: 3 }),
  headers: fc.dictionary(
    fc.constantFrom('accept', 'content-type', 'x-any', 'if-match', 'range'),
    fc.stringMatching(/^[ -~]{0,30}$/),
    { maxKeys: 3 },
  ),
  body: fc.option(body),
});

test('any request has an answer', async () => {
  await fc.assert(
    fc.asyncProperty(request, async ({ method, path, query, headers, body: text }) => {
      const pattern = typeof path === 'string' ? path : (paths[path.at % paths.length] ?? '');
      let index = 0;
      const filled = typeof path === 'string' ? path : pattern.replace(/:\w+/g, () => path.words[index++] ?? '');
      // What watches, follows or waits has no end.
      const given = query
        .map(([at, of]): [string, string] => [queries[at % queries.length] ?? '', of])
        .filter(([name]) => !['watch', 'follow', 'until', 'wait'].includes(name));
      const url = `${filled.startsWith('/') ? filled : `/${filled}`}?${new URLSearchParams(given)}`;
      const bare = method === 'GET' || method === 'HEAD';
      const response = await fetch(`http://kukeond${url}`, {
        unix: api.socketPath,
        method,
        headers,
        ...(!bare && text !== null && { body: text }),
      });
      refuseBug({ method, url, headers, text }, response.status, await response.text());
    }),
    { numRuns: 1500 },
  );
}, 120_000);

test('garbage on the socket closes a connection at most', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes).toString('latin1')),
    fc.constantFrom(
      'GET / HTTP/1.1\r\n',
      'POST /v1beta1/apply HTTP/1.1\r\n',
      'HEAD /v1beta1/cells?watch=true HTTP/1.1\r\n',
      'CONNECT a:1 HTTP/1.1\r\n',
      'Expect: tea\r\n',
      'Host: x\r\n',
      '\r\n',
      'Content-Length: 5\r\n',
      'Content-Length: -1\r\n',
      'Transfer-Encoding: chunked\r\n',
      '5\r\nabcde\r\n',
      '0\r\n\r\n',
      'ffffffffffffffff\r\n',
      'Connection: Upgrade\r\nUpgrade: kuke-exec\r\n',
      'Expect: 100-continue\r\n',
      '\0',
      '\n\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 8 }), fc.boolean(), async (pieces, isCut) => {
      const socket = await api.open();
      let said = '';
      const over = new Promise<void>(resolve => {
        socket.on('data', bytes => {
          said += bytes.toString('latin1');
        });
        socket.once('close', resolve);
        socket.once('end', resolve);
        setTimeout(resolve, 30);
      });
      for (const one of pieces) socket.write(one, 'latin1');
      if (isCut) socket.destroy();
      else await over;
      socket.destroy();
      expect(said).not.toContain('HTTP/1.1 500');
      expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
    }),
    { numRuns: 300 },
  );
  expect((await api.ask('GET', '/healthz')).status).toBe(200);
}, 120_000);

test('nothing is left of requests: not of those that are answered, refused, or cut off', async () => {
  const used = () => {
    Bun.gc(true);
    return process.memoryUsage().heapUsed;
  };
  const round = async (count: number) => {
    for (let index = 0; index < count; index += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, at) => {
          if (at % 10 === 0) {
            const socket = await api.open();
            socket.write('POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc');
            await Bun.sleep(0);
            return void socket.destroy();
          }
          if (at % 10 < 6) await api.ask('GET', '/v1beta1/cells');
          else if (at % 10 < 8) await api.ask('POST', '/v1beta1/apply', cellYaml('bad', '[{ id: a, imgae: b }]'));
          else await api.ask('GET', `/v1beta1/${at}-${index}`);
        }),
      );
    }
    while (api.server.counts().requests > 0) await Bun.sleep(5);
  };
  await round(4000);
  const before = used();
  await round(16_000);
  const grown = used() - before;
  // What stays is what JIT and the fetch of the test itself keep: far below 1 KiB a request.
  expect(grown).toBeLessThan(4 * 1024 * 1024);
  expect(api.server.counts().answered.size).toBeLessThan(300);
}, 300_000);
