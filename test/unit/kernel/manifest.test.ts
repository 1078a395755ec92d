import { beforeAll, describe, expect, test } from 'bun:test';
import { KukeError } from '../../../src/kernel/errors.ts';
import { MOST_VALUES, readManifest } from '../../../src/kernel/manifest.ts';
import { cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
beforeAll(async () => {
  kuke = await kernelOnFakes();
});

interface Given {
  [field: string]: unknown;
  metadata?: Record<string, unknown>;
  spec?: Record<string, unknown> | undefined;
}

const cell = (change: Given = {}): Record<string, unknown> => ({
  apiVersion: 'v1beta1',
  kind: 'Cell',
  ...change,
  metadata: { name: 'web', ...change.metadata },
  spec: { realmId: 'main', containers: [{ id: 'a', image: 'busybox' }], ...change.spec },
});

async function refusal(raw: unknown): Promise<KukeError> {
  const thrown: unknown = await readManifest(kuke.kernel, raw).then(
    () => new Error('it was taken'),
    error => error,
  );
  if (thrown instanceof KukeError) return thrown;
  throw thrown;
}

const lines = ({ message, also }: KukeError) => [message, ...also.map(other => other.message)];

describe('the envelope', () => {
  test.each<[string, unknown, string]>([
    ['text', 'hello', 'a manifest is a map with apiVersion, kind, metadata and spec'],
    ['a list', [cell()], 'a manifest is a map with apiVersion, kind, metadata and spec'],
    ['no kind', { apiVersion: 'v1beta1' }, 'kind: is missing'],
    ['a kind that is a number', cell({ kind: 5 }), 'kind: is missing'],
    ['a kind nearly right', cell({ kind: 'cell' }), 'unknown kind `cell`; did you mean `Cell`?'],
    ['a kind of Kubernetes', cell({ kind: 'Deployment' }), 'unknown kind `Deployment`'],
    ['a container by itself', cell({ kind: 'Container' }), 'a Container is declared within its Cell'],
    ['another apiVersion', cell({ apiVersion: 'v1' }), 'apiVersion: must be "v1beta1", not "v1"'],
    ['no apiVersion', { kind: 'Realm', metadata: { name: 'main' } }, 'apiVersion: is missing'],
    ['no metadata', { apiVersion: 'v1beta1', kind: 'Realm' }, 'metadata: is missing'],
    ['no name', { apiVersion: 'v1beta1', kind: 'Realm', metadata: {} }, 'metadata.name: is missing'],
    ['a name that YAML took for a number', cell({ metadata: { name: 5 } }), 'metadata.name: must be a string, not 5'],
    ['a spec that is a list', { ...cell(), spec: [] }, 'spec: must be a map, not a list'],
    ['a field of Kubernetes’ metadata', cell({ metadata: { namespace: 'x' } }), 'metadata.namespace: unknown field'],
    [
      'a label that is no string',
      cell({ metadata: { labels: { a: true } } }),
      'metadata.labels.a: must be a string, not true',
    ],
    [
      'a field with a name of JavaScript’s own',
      cell({ spec: { constructor: 'x' } }),
      'spec.constructor: cannot be the name of anything here',
    ],
    ['a misspelt spec', { ...cell(), spce: {} }, 'spce: unknown field; did you mean `spec`?'],
  ])('%s is refused', async (_, raw, why) => {
    const error = await refusal(raw);
    expect(lines(error)).toEqual([why]);
    expect(error.exitCode).toBe(2);
  });

  test('status is ignored, and a spec is not needed', async () => {
    const { manifest, ref } = await readManifest(kuke.kernel, {
      apiVersion: 'v1beta1',
      kind: 'Realm',
      metadata: { name: 'lab' },
      status: ['whatever'],
    });
    expect(ref).toEqual({ kind: 'Realm', path: ['lab'] });
    expect(manifest).toEqual({ apiVersion: 'v1beta1', kind: 'Realm', metadata: { name: 'lab' }, spec: {} });
  });

  test('known kinds are in the remedy', async () => {
    expect((await refusal(cell({ kind: 'Pod' }))).summary).toContain(
      'known kinds: Realm, Space, Stack, Cell, Container',
    );
  });
});

describe('names', () => {
  test.each([
    ['metadata.name', { metadata: { name: 'a_b' } }, 'metadata.name: `a_b` is not a name'],
    ['a parent', { spec: { spaceId: 'a--b' } }, 'spec.spaceId: `a--b` is not a name'],
    ['a parent that is a path', { spec: { realmId: '../..' } }, 'spec.realmId: `../..` is not a name'],
    ['one too long', { metadata: { name: 'a'.repeat(64) } }, `metadata.name: \`${'a'.repeat(64)}\` has 64 characters`],
    ['an id that is another', { spec: { id: 'other' } }, 'spec.id: `other` must equal metadata.name, `web`'],
    ['an id in other case', { spec: { id: 'WEB' } }, 'spec.id: `WEB` must equal metadata.name, `web`'],
  ])('%s is checked', async (_, change, why) => {
    const found = lines(await refusal(cell(change)));
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith(why);
  });

  test('what a manifest does not say of its parents is their default name', async () => {
    const { ref } = await readManifest(kuke.kernel, cell());
    expect(ref.path).toEqual(['main', 'default', 'default', 'web']);
    const { ref: elsewhere } = await readManifest(kuke.kernel, cell({ spec: { stackId: 'blog' } }));
    expect(elsewhere.path).toEqual(['main', 'default', 'blog', 'web']);
  });
});

describe('a cell as a whole', () => {
  const containers = (...list: Record<string, unknown>[]) =>
    cell({ spec: { containers: list.map(one => ({ image: 'busybox', ...one })) } });

  test.each<[string, unknown, string]>([
    [
      'two roots',
      containers({ id: 'a', root: true }, { id: 'b', root: true }),
      'spec.containers[1].root: a cell has one root, and that is `a`',
    ],
    ['an id twice', containers({ id: 'a' }, { id: 'A' }), "spec.containers[1].id: `A` is spec.containers[0]'s already"],
    [
      'a container named root',
      containers({ id: 'root' }),
      'spec.containers[0].id: may not be `root`, which names the root container in containerd',
    ],
    [
      'a root that is not there',
      cell({ spec: { rootContainerId: 'b' } }),
      'spec.rootContainerId: there is no container `b`',
    ],
    [
      'the host’s network for another than the root',
      containers({ id: 'a' }, { id: 'b', hostNetwork: true }),
      'spec.containers[1].hostNetwork: only the root can say it, for the whole cell',
    ],
    [
      'the host’s network and another',
      containers({ id: 'a', hostNetwork: true, networks: ['x'] }),
      'spec.containers: a cell on the host’s network joins no other networks',
    ],
    [
      'a state that is none',
      cell({ spec: { desiredState: 'paused' } }),
      'spec.desiredState: must be "running" or "stopped", not "paused"',
    ],
  ])('%s is refused', async (_, raw, why) => {
    const error = await refusal(raw);
    expect(lines(error)).toEqual([why]);
    expect(error.code).toBe('InvalidManifest');
  });

  test('all faults are told at once, each with its field', async () => {
    const error = await refusal(
      cell({ metadata: { name: 'a_b' }, spec: { stack: 'x', containers: [{ id: 'a', imgae: 'busybox' }] } }),
    );
    expect([error, ...error.also].map(({ details }) => details.field)).toEqual([
      'metadata.name',
      'spec.containers[0].imgae',
      'spec.stack',
      'spec.containers[0].image',
    ]);
  });

  test('what nothing acts on yet is refused by name, with an exit code of its own kind', async () => {
    const volumes = [{ kind: 'volume', target: '/x' }];
    const error = await refusal(containers({ id: 'a', volumes }));
    expect(error.code).toBe('Unsupported');
    expect(error.exitCode).toBe(2);
    expect(lines(error).map(line => line.split(':')[0])).toEqual(['spec.containers[0].volumes[0].kind']);
    const mixed = await refusal(containers({ id: 'a', volumes, imgae: 'x' }));
    expect(mixed.code).toBe('InvalidManifest');
  });
});

describe('hooks', () => {
  test('fill in what is left out before validation, and add what else is wrong', async () => {
    const hooked = await kernelOnFakes();
    hooked.kernel.hooks.tap('site', 'manifest:default', ({ manifest }) => {
      manifest.metadata.labels = { team: 'web', ...manifest.metadata.labels };
    });
    hooked.kernel.hooks.tap('site', 'manifest:validate', ({ manifest, issues }) => {
      if (manifest.metadata.labels?.team !== 'web')
        issues.push({ path: 'metadata.labels.team', message: 'must be web' });
    });
    const [resource] = await hooked.read(cellYaml('web'));
    expect(resource?.manifest.metadata.labels).toEqual({ team: 'web' });
    const other = cell({ metadata: { labels: { team: 'db' } } });
    await expect(readManifest(hooked.kernel, other)).rejects.toMatchObject({
      message: 'metadata.labels.team: must be web',
    });
  });

  test('do not change what the caller gave', async () => {
    const hooked = await kernelOnFakes();
    hooked.kernel.hooks.tap('site', 'manifest:default', ({ manifest }) => {
      manifest.spec.containers = [];
    });
    const given = cell();
    const before = structuredClone(given);
    await readManifest(hooked.kernel, given);
    expect(given).toEqual(before);
  });
});

describe('what is vast', () => {
  const ports = (count: number, port: unknown) => ({
    containers: [{ id: 'a', image: 'busybox', ports: Array(count).fill(port) }],
  });

  test('is refused before it is checked, save for what a status says', async () => {
    expect(lines(await refusal(cell({ spec: ports(MOST_VALUES, 0) })))).toEqual([
      `a manifest has at most ${MOST_VALUES} values`,
    ]);
    let deep: unknown = [];
    for (let depth = 0; depth < MOST_VALUES; depth++) deep = [deep];
    expect(lines(await refusal(cell({ metadata: { annotations: deep } })))).toHaveLength(1);
    await readManifest(kuke.kernel, { ...cell(), status: Array(MOST_VALUES + 1).fill(0) });
  });

  test('is not run in one cell', async () => {
    const containers = Array.from({ length: 251 }, (_, at) => ({ id: `a${at}`, image: 'busybox' }));
    expect(lines(await refusal(cell({ spec: { containers } })))).toEqual(['spec.containers: must be at most 250']);
  });

  test('has no more faults told than a person reads', async () => {
    const told = lines(await refusal(cell({ spec: ports(MOST_VALUES / 2, 0) })));
    expect(told).toHaveLength(100);
    expect(told[99]).toStartWith('spec.containers[0].ports[99]: ');
  });
});

test.each(['SIGRTMIN+31', 'RTMAX-31', 'SIGRTMIN-1', '65', 'SIGSTOPP'])(
  'no stop signal is %s, which could not be sent',
  async stopSignal => {
    const [line = ''] = lines(
      await refusal(cell({ spec: { containers: [{ id: 'a', image: 'busybox', stopSignal }] } })),
    );
    expect(line).toStartWith(`spec.containers[0].stopSignal: \`${stopSignal}\` is no signal`);
  },
);
