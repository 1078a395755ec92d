/** A pull of some 50 MB from a registry on loopback, beside ctr's. */
import { randomFillSync } from 'node:crypto';
import { startContainerd } from '../test/host/containerd.ts';
import { ociArchive } from '../test/host/image.ts';
import { binary } from '../test/host/kuke/kuke.ts';
import { startRegistry } from '../test/registry/docker-registry.ts';
import { kuke, run } from './peers/kuke.ts';
import { done, output } from './peers/peer.ts';
import { inTurn, roundsOr, type Table, timed } from './table.ts';

const ROUNDS = roundsOr(15);
/** Four layers that no compression makes smaller, as those of real images hardly get. */
const LAYERS = 4;
const LAYER_BYTES = 12.5e6;
const MOST_MEMORY = 100;

export async function bench(): Promise<Table[]> {
  await using _ = await startContainerd();
  await using registry = await startRegistry();
  await kuke();
  const layers = Array.from({ length: LAYERS }, (_, index) => {
    return { [`layer${index}`]: { content: randomFillSync(Buffer.alloc(LAYER_BYTES)) } };
  });
  await registry.pushArchive('bench', '1', ociArchive({ name: 'bench:1', layers }));
  const image = `${registry.host}/bench:1`;
  const ctr = ['ctr', '--namespace', 'bench'];
  const samples = await inTurn(ROUNDS, {
    kuke: async () => {
      const took = await timed(() => run('image', 'pull', image));
      await run('image', 'rm', image);
      return took;
    },
    ctr: async () => {
      const took = await timed(() => done([...ctr, 'images', 'pull', '--plain-http', image]));
      await done([...ctr, 'images', 'rm', '--sync', image]);
      return took;
    },
  });
  await output(['/usr/bin/time', '-o', '/run/peak', '-f', '%M', binary, 'image', 'pull', image]);
  const peak = Number(await Bun.file('/run/peak').text()) / 1024;
  return [
    {
      title: `A pull of ${Math.round((LAYERS * LAYER_BYTES) / 1e6)} MB in ${LAYERS} layers from loopback`,
      unit: 'ms',
      rows: [
        { what: 'kuke image pull', samples: samples.kuke ?? [], against: [{ what: 'ctr image pull', most: 1.2 }] },
        { what: 'ctr image pull', samples: samples.ctr ?? [] },
      ],
    },
    {
      title: 'Peak memory of a pull',
      unit: 'MiB',
      rows: [{ what: 'kuke image pull', samples: [peak], most: MOST_MEMORY }],
    },
  ];
}
