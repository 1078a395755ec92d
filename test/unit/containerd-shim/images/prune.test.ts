import { expect, test } from 'bun:test';
import type { Client } from '../../../../plugins/containerd-shim/client/index.ts';
import { pruneImages } from '../../../../plugins/containerd-shim/images/prune.ts';
import { INSTANCE } from '../../../../plugins/containerd-shim/labels.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

/** A containerd that has these images, and no containers. */
function withImages(images: Record<string, string>): Client {
  const listed = Object.entries(images).map(([name, one]) => ({
    name,
    labels: { [INSTANCE]: 'ours' },
    target: { digest: one },
  }));
  const all = { images: { list: async () => listed }, containers: { list: async () => [] } };
  return all as unknown as Client;
}

test('what a manifest names by its digest stays, whatever it is called here', async () => {
  const client = withImages({
    'docker.io/library/web:1': digest('a'),
    [`docker.io/library/web@${digest('b')}`]: digest('b'),
    'docker.io/library/db:1': digest('c'),
  });
  const keep = [`web@${digest('a')}`, `docker.io/library/web:other@${digest('b')}`];
  const { names } = await pruneImages(
    { client, instance: 'ours', snapshotter: 'overlayfs' },
    { namespace: 'x', all: true, keep, dryRun: true },
  );
  expect(names).toEqual(['docker.io/library/db:1']);
});
