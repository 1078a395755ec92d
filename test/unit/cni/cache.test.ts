import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { checkAttachmentId } from '../../../src/cni/attachment.ts';
import {
  type CachedAttachment,
  CacheError,
  cachePath,
  formatCached,
  listCached,
  parseCached,
  readCached,
  removeCached,
  writeCached,
} from '../../../src/cni/cache.ts';
import { FormatError } from '../../../src/cni/json.ts';
import { parseResult } from '../../../src/cni/result.ts';
import { network, RESULT } from './scripted-plugin.ts';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'cache-')), 'results');
});
afterEach(() => rmSync(dirname(folder), { recursive: true, force: true }));

const entry: CachedAttachment = {
  network: 'net',
  containerId: 'c1',
  ifName: 'eth0',
  netns: '/run/netns/x',
  args: [['K', 'V']],
  capabilityArgs: { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'tcp' }] },
  config: network(['bridge', 'portmap']),
  result: parseResult(RESULT, '1.0.0'),
  invokers: ['exec', 'exec'],
};

test('a file has libcni’s name and keys, and only root may read it', async () => {
  await writeCached(folder, entry);
  const path = join(folder, 'net-c1-eth0');
  const { config, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
  expect(rest).toEqual({
    kind: 'cniCacheV1',
    containerId: 'c1',
    ifName: 'eth0',
    networkName: 'net',
    netns: '/run/netns/x',
    cniArgs: [['K', 'V']],
    capabilityArgs: entry.capabilityArgs,
    result: RESULT,
    invokers: ['exec', 'exec'],
  });
  expect(JSON.parse(Buffer.from(config, 'base64').toString())).toEqual(entry.config.json);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readCached(folder, entry)).toEqual(entry);
});

test('what is empty is left out, as libcni does', () => {
  const bare = JSON.parse(
    formatCached({ ...entry, netns: undefined, args: [], capabilityArgs: {}, result: undefined }),
  );
  expect(Object.keys(bare)).toEqual(['kind', 'containerId', 'config', 'ifName', 'networkName', 'invokers']);
});

test('a file of libcni 1.1, as ctr leaves it: no netns, null for what is empty', () => {
  const config = 'eyJjbmlWZXJzaW9uIjoiMC40LjAiLCJuYW1lIjoibmV0IiwicGx1Z2lucyI6W3sidHlwZSI6ImJyaWRnZSJ9XX0=';
  const text = `{"kind":"cniCacheV1","containerId":"default-c1","config":"${config}","ifName":"eth0","networkName":"net","capabilityArgs":null,"result":{"cniVersion":"0.4.0","dns":{},"interfaces":[{"name":"eth0"}],"ips":[{"address":"10.1.0.2/24","interface":0,"version":"4"}]}}`;
  const read = parseCached(text);
  expect(read).toMatchObject({
    containerId: 'default-c1',
    netns: undefined,
    args: [],
    capabilityArgs: {},
    invokers: [],
  });
  expect(read.result?.ips).toMatchObject([{ address: '10.1.0.2/24', interface: 0 }]);
});

test('reading and removing what is not there', () => {
  expect(readCached(folder, entry)).toBeUndefined();
  removeCached(folder, entry);
  expect(listCached(folder)).toEqual({ attachments: [], broken: [] });
});

test('a file that a power failure left empty counts as none', async () => {
  mkdirSync(folder);
  writeFileSync(join(folder, 'net-c1-eth0'), '');
  expect(readCached(folder, entry)).toBeUndefined();
  expect(listCached(folder)).toEqual({ attachments: [], broken: [] });
  await writeCached(folder, entry);
  expect(readCached(folder, entry)).toEqual(entry);
});

test('the list holds the good files and reports the others by path', async () => {
  const second = { ...entry, containerId: 'c2' };
  await writeCached(folder, second);
  await writeCached(folder, entry);
  writeFileSync(join(folder, 'cut'), formatCached(entry).slice(0, 40));
  writeFileSync(join(folder, 'legacy'), JSON.stringify(RESULT));
  writeFileSync(join(folder, 'net-c3-eth0'), formatCached(entry));
  writeFileSync(join(folder, '.net-c4-eth0'), '');
  mkdirSync(join(folder, 'folder'));
  const { attachments, broken } = listCached(folder);
  expect(attachments).toEqual([entry, second]);
  expect(broken.map(error => error.message.slice(folder.length + 1))).toEqual([
    expect.stringMatching(/^cut: not JSON/),
    'folder: not a regular file',
    expect.stringMatching(/^legacy: kind: is missing; containerId: is missing/),
    'net-c3-eth0: holds an attachment of another name',
  ]);
  removeCached(folder, entry);
  expect(listCached(folder).attachments).toEqual([second]);
});

test.each([
  ['a configuration that is none', { config: 'AAAA' }, /not JSON/],
  ['a configuration that is not base64', { config: '{}' }, /^config: /],
  ['a configuration of another network', { networkName: 'other' }, /^networkName: the configuration is of network net/],
  ['a result that is none', { result: { ips: 3 } }, /^ips: /],
  ['arguments that are none', { cniArgs: ['a'] }, /^cniArgs\.0: /],
])('a file with %s', (_, wrong, message) => {
  expect(() => parseCached(JSON.stringify({ ...JSON.parse(formatCached(entry)), ...wrong }))).toThrow(message);
});

test('a file that can not be read or removed is an error with its path', async () => {
  mkdirSync(join(folder, 'net-c1-eth0', 'x'), { recursive: true });
  for (const operation of [readCached, removeCached, () => writeCached(folder, entry)]) {
    const outcome = await thrownBy(() => operation(folder, entry));
    expect(outcome).toBeInstanceOf(CacheError);
    expect(outcome).toMatchObject({ path: join(folder, 'net-c1-eth0') });
  }
  expect(readdirSync(folder)).toEqual(['net-c1-eth0']);
});

async function thrownBy(run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    return error;
  }
}

const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$/);
const ifName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/);

test('the file of a valid attachment lies in the folder, and is told from any other’s', () => {
  fc.assert(
    fc.property(word, word, ifName, (name, containerId, ifName) => {
      const id = { network: name, containerId, ifName };
      checkAttachmentId('ADD', id);
      expect(dirname(cachePath(folder, id))).toBe(folder);
      const read = parseCached(formatCached({ ...entry, ...id, config: network(['bridge'], { name }) }));
      expect(read).toMatchObject(id);
    }),
  );
});

test('an id that leads out of the folder is not valid', () => {
  const hostile = fc.constantFrom('..', '.', '', '/', 'a/b', '../x', 'a\0', 'a\nb', '-x', ' ');
  fc.assert(
    fc.property(hostile, fc.nat(2), (bad, place) => {
      const [network = '', containerId = '', ifName = ''] = ['net', 'c1', 'eth0'].with(place, bad);
      if (place === 2 && bad === '-x') return;
      expect(() => checkAttachmentId('DEL', { network, containerId, ifName })).toThrow(
        /is no (network|container|interface)/,
      );
    }),
  );
});

test('whatever a file holds, it is read or refused', () => {
  const fields = JSON.parse(formatCached(entry));
  const mutated = fc
    .tuple(fc.constantFrom(...Object.keys(fields)), fc.jsonValue())
    .map(([key, value]) => JSON.stringify({ ...fields, [key]: value }));
  const cut = fc.nat(formatCached(entry).length).map(length => formatCached(entry).slice(0, length));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), mutated, cut), text => {
      try {
        expect(parseCached(text).network).toBeString();
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
  );
});
