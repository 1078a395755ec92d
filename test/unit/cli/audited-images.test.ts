/** Changes of images are audited with their realm; looking at them is not. */
import { expect, test } from 'bun:test';
import type { CommandAudit } from '../../../src/cli/audit.ts';
import { auditedImages } from '../../../src/cli/audited-images.ts';
import type { ImagesBackend } from '../../../src/kernel/backends/index.ts';

test('what was done, to which images', async () => {
  const told: unknown[] = [];
  const audit: CommandAudit = {
    actor: () => ({}),
    begun: () => {},
    recovered: () => {},
    did: () => {},
    async of(work, affected) {
      const result = await work();
      told.push(...(affected?.(result) ?? []));
      return result;
    },
  };
  const names = { remove: 'a:1', tag: 'b:1', prune: { names: ['c:1', 'd:1'], bytes: 1 } };
  const backend = {
    list: async () => [{ name: 'x:1' }],
    remove: async () => names.remove,
    tag: async () => names.tag,
    prune: async () => names.prune,
    load: async () => [{ name: 'e:1' }],
    pull: async () => ({ name: 'f:1' }),
  } as unknown as ImagesBackend;
  const images = auditedImages(backend, { kind: 'Realm', path: ['lab'] }, audit);
  const namespace = 'kukeon-lab';
  expect(await images.list({ namespace })).toMatchObject([{ name: 'x:1' }]);
  expect(await images.remove({ namespace, name: 'a', dryRun: true })).toBe('a:1');
  expect(told).toEqual([]);
  await images.remove({ namespace, name: 'a' });
  await images.tag({ namespace, source: 'a', name: 'b' });
  await images.prune({ namespace, all: true, keep: [], dryRun: false });
  await images.load({ namespace } as unknown as Parameters<ImagesBackend['load']>[0]);
  await images.pull({ namespace, name: 'f' }, { signal: new AbortController().signal, progress: () => {} });
  expect(told).toEqual(
    [
      'removed image a:1',
      'tagged image b:1',
      'removed image c:1',
      'removed image d:1',
      'loaded image e:1',
      'pulled image f:1',
    ].map(result => ({ resource: 'realm lab', result })),
  );
});
