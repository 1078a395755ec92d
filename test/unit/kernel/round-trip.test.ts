import { beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatDocument } from '../../../src/kernel/documents.ts';
import type { Resource } from '../../../src/kernel/kinds.ts';
import { entriesOf, metadataOf } from '../../../src/kernel/schema.ts';
import { addImage, publish } from '../../fakes/index.ts';
import { kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';
import { containerFields, IMAGES, manifests } from './manifests.ts';

let kuke: TestKernel;
beforeAll(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  await kuke.apply('{ apiVersion: v1beta1, kind: Space, metadata: { name: backend }, spec: { realmId: main } }');
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  for (const name of IMAGES) {
    addImage(namespace, { name, cmd: ['sleep', '1000'] });
    publish(kuke.host, { name, cmd: ['sleep', '1000'] });
  }
});

const formats: Record<string, (resource: Resource) => string> = {
  'yaml of one': ({ manifest }) => formatDocument(manifest),
  'json of one': ({ manifest }) => JSON.stringify(manifest, null, 2),
  'yaml of a list': ({ manifest }) => formatDocument({ apiVersion: 'v1beta1', kind: 'List', items: [manifest] }),
};

describe.each(Object.entries(manifests))('any %s', (kind, manifest) => {
  test('that is applied, got and applied again is unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(manifest as fc.Arbitrary<{ spec: Record<string, unknown> }>, async given => {
        const [created] = await kuke.apply(JSON.stringify(given));
        expect([created?.result, created?.error?.summary]).toEqual(['created', undefined]);
        if (created === undefined) return;
        const shown = await kuke.get(kind, ...created.ref.path);
        // What the user said, and nothing else.
        expect(shown.manifest.spec).toEqual(given.spec);
        for (const [name, format] of Object.entries(formats)) {
          const [again] = await kuke.apply(format(shown));
          expect([name, again?.result, again?.changes, again?.error?.summary]).toEqual([
            name,
            'unchanged',
            [],
            undefined,
          ]);
        }
        const [gone] = await kuke.remove([created.ref]);
        expect([gone?.result, gone?.error?.summary]).toEqual(['deleted', undefined]);
      }),
      { numRuns: kind === 'Cell' ? 40 : 15 },
    );
  }, 60_000);
});

describe('the manifests above', () => {
  /** The fields of a schema that are accepted. */
  const accepted = (kind: string): string[] => {
    const entries = Object.entries(entriesOf(kuke.kernel.kinds.get(kind).spec) ?? {});
    return entries.filter(([, field]) => metadataOf(field).pending === undefined).map(([field]) => field);
  };

  test('have every field that is accepted, so that a new one is tried as well', () => {
    const fieldsOf = (list: { spec: object }[]) => new Set(list.flatMap(({ spec }) => Object.keys(spec)));
    for (const [kind, manifest] of Object.entries(manifests)) {
      const made = fieldsOf(fc.sample(manifest as fc.Arbitrary<{ spec: object }>, 300));
      expect([kind, ...[...made].sort()]).toEqual([kind, ...accepted(kind).sort()]);
    }
    const container = [...Object.keys(containerFields), 'root', 'hostNetwork'];
    expect(container.sort()).toEqual(accepted('Container').sort());
  });
});
