/** `kuke schema`, held to a validator that others use (ajv), and to what kuke itself says of manifests. */
import { afterAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020';
import fc from 'fast-check';
import { parseDocuments } from '../../../src/kernel/documents.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import { readManifest } from '../../../src/kernel/manifest.ts';
import { kukeOnFakes } from '../cli/kuke-on-fakes.ts';
import { kernelOnFakes } from './kernel-on-fakes.ts';

const fake = kukeOnFakes();
afterAll(() => fake.remove());
const { kernel } = await kernelOnFakes();
const schema = JSON.parse((await fake.kuke('schema')).stdout);
// `pattern` stands beside `anyOf`, for it is of strings alone.
const validate = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true }).compile(schema);

async function isAccepted(manifest: unknown): Promise<boolean> {
  try {
    await readManifest(kernel, manifest);
    return true;
  } catch (thrown) {
    if (thrown instanceof KukeError) return false;
    throw thrown;
  }
}

const top = join(import.meta.dir, '../../..');
const documentsIn = (file: string) => parseDocuments(readFileSync(join(top, file), 'utf8'), file).map(one => one.value);
const cell = (container: object, more: object = {}) => ({
  apiVersion: 'v1beta1',
  kind: 'Cell',
  metadata: { name: 'web' },
  spec: { containers: [{ id: 'a', image: 'busybox', ...container }], ...more },
});
const space = (spec: object) => ({ apiVersion: 'v1beta1', kind: 'Space', metadata: { name: 'a' }, spec });

describe('kuke schema', () => {
  test('is of draft 2020-12, with a schema for each kind', async () => {
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(Object.keys(schema.$defs)).toEqual(['Realm', 'Space', 'Stack', 'Cell', 'List']);
    const one = JSON.parse((await fake.kuke('schema', 'ce')).stdout);
    expect(one).toEqual({ $schema: schema.$schema, ...schema.$defs.Cell });
    expect(JSON.parse((await fake.kuke('schema', 'container')).stdout).properties.image.type).toBe('string');
    expect((await fake.kuke('schema', 'cel')).stderr).toContain('did you mean `cell`?');
  });

  test.each(['examples/hello.yaml'])('takes %s', async file => {
    for (const manifest of documentsIn(file)) expect([validate(manifest), validate.errors]).toEqual([true, null]);
  });

  test.each<[string, object]>([
    ['a list of manifests', { apiVersion: 'v1beta1', kind: 'List', items: [cell({}), space({})] }],
    ['what `get -o yaml` prints', { ...cell({}), status: { state: 'Ready' } }],
    ['quantities as text and as numbers', cell({ resources: { memory: { limit: '512Mi' }, cpu: { limit: 1.5 } } })],
    ['ports', cell({ ports: ['8080:80', '[::1]:53:53/UDP'] })],
    ['defaults of a space', space({ defaults: { container: { user: 'nobody' } } })],
  ])('takes %s', (_, manifest) => {
    expect([validate(manifest), validate.errors]).toEqual([true, null]);
  });

  test.each<[string, unknown]>([
    ['another kind', { ...space({}), kind: 'Spaec' }],
    ['another version', { ...space({}), apiVersion: 'v1' }],
    ['an unknown field', cell({ imgae: 'x' })],
    ['a missing one', cell({ image: undefined })],
    ['a name with _', { ...space({}), metadata: { name: 'a_b' } }],
    ['a parent’s name that is none', space({ realmId: 'a--b' })],
    ['a value that is none of those', cell({}, { desiredState: 'run' })],
    ['a value on which nothing acts yet', cell({ volumes: [{ kind: 'volume', target: '/a' }] })],
    ['an environment without =', cell({ env: ['A'] })],
    ['a quantity without a meaning', cell({ resources: { memory: { limit: '1 gigabyte' } } })],
    ['a port without a host port', cell({ ports: ['80'] })],
    ['a map for a list', cell({}, { containers: {} })],
  ])('refuses %s, as kuke does', async (_, manifest) => {
    const plain: unknown = JSON.parse(JSON.stringify(manifest));
    expect([validate(plain), await isAccepted(plain)]).toEqual([false, false]);
  });
});

const name = fc.stringMatching(/^[a-z0-9]{1,8}(-[a-z0-9]{1,8})?$/);
const quantity = fc.oneof(fc.integer({ min: 1, max: 2 ** 40 }), fc.constantFrom('512Mi', '1.5G', '1e6', '.5Ki', '2k'));
const optional = <T>(fields: Record<string, fc.Arbitrary<T>>) => fc.record(fields, { requiredKeys: [] });
const resources = optional<unknown>({
  cpu: optional<unknown>({ limit: fc.constantFrom(1, '500m', 0.5), weight: fc.integer({ min: 1, max: 10_000 }) }),
  memory: optional({ limit: quantity, high: quantity, swap: fc.oneof(quantity, fc.constant(0)) }),
  pids: optional({ limit: fc.integer({ min: 1, max: 1000 }) }),
});
const container = fc.record(
  {
    id: name.filter(one => one !== 'root'),
    image: fc.constantFrom('busybox', 'docker.io/library/nginx:alpine'),
    command: fc.oneof(fc.constant('/bin/sh'), fc.array(fc.constantFrom('a', '-c', '$x'), { minLength: 1 })),
    args: fc.array(fc.string().map(text => text.replaceAll('\0', ''))),
    env: fc.array(fc.constantFrom('A=1', 'B=', 'C==\n')),
    ports: fc.constantFrom<string[]>([], ['8080:80'], ['127.0.0.1:53:53/udp']),
    volumes: fc.constantFrom<object[]>([], [{ kind: 'bind', source: '/a', target: '/b', readOnly: true }]),
    tmpfs: fc.constantFrom<object[]>([], [{ path: '/t', sizeBytes: 5, mode: '1777' }]),
    capabilities: optional<string[]>({ add: fc.constant(['CHOWN']), drop: fc.constant(['ALL']) }),
    privileged: fc.boolean(),
    restartPolicy: fc.constant('never'),
    labels: fc.dictionary(name, fc.string()),
    resources,
  },
  { requiredKeys: ['id', 'image'] },
);
const manifest = fc.oneof(
  fc.record({
    apiVersion: fc.constant('v1beta1'),
    kind: fc.constant('Cell'),
    metadata: fc.record({ name, labels: fc.dictionary(name, fc.string()) }, { requiredKeys: ['name'] }),
    spec: fc.record(
      {
        realmId: name,
        containers: fc.array(container, { maxLength: 1 }),
        desiredState: fc.constantFrom('running', 'stopped'),
        runtime: fc.constantFrom('runc', '/bin/crun'),
        resources,
      },
      { requiredKeys: [] },
    ),
  }),
  fc.record({
    apiVersion: fc.constant('v1beta1'),
    kind: fc.constantFrom('Realm', 'Stack', 'Space'),
    metadata: fc.record({ name }),
    spec: optional<unknown>({ resources }),
  }),
);

type Place = [object, string];

/** Every field of a value, with what it is in. */
function places(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key): Place[] => [[value, key], ...places(Reflect.get(value, key))]);
}

describe('agrees with kuke', () => {
  test('on manifests that are right', async () => {
    await fc.assert(
      fc.asyncProperty(manifest, async one => {
        expect([validate(one), await isAccepted(one)]).toEqual([true, true]);
      }),
      { numRuns: 100 },
    );
  });

  test('on those of which one field is gone, is of another name, or holds something else', async () => {
    const other = fc.constantFrom<unknown>(undefined, 'rename', {}, [], true, null, 7.5, { x: 1 }, '');
    await fc.assert(
      fc.asyncProperty(manifest, fc.nat(), other, async (given, at, change) => {
        const broken: unknown = structuredClone(given);
        const all = places(broken);
        const [around, key] = all[at % all.length] ?? [{}, ''];
        if (change === 'rename') Reflect.set(around, `${key}X`, Reflect.get(around, key));
        if (change === undefined || change === 'rename') {
          if (Array.isArray(around)) return;
          Reflect.deleteProperty(around, key);
        } else Reflect.set(around, key, change);
        const [byEditor, byKuke] = [validate(broken), await isAccepted(broken)];
        // A program can say more than the schema: then the editor is silent. What it does mark, kuke refuses.
        if (!byEditor) expect({ broken, byKuke }).toEqual({ broken, byKuke: false });
        else if (!byKuke) expect({ broken, isKnown: isBeyondSchemas(key, change) }).toEqual({ broken, isKnown: true });
      }),
      { numRuns: 300 },
    );
  });
});

/** What takes more than a schema: numbers with a meaning, and texts that are looked up. */
function isBeyondSchemas(key: string, change: unknown): boolean {
  return (
    typeof change === 'number' ||
    change === '' ||
    key === 'volumes' ||
    /^(source|sizeBytes|mode|readOnly|\d+)$/.test(key)
  );
}
