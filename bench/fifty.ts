/** Fifty pods: by one apply, and by the loop that others have to be asked in. */
import { manifests, run } from './peers/kuke.ts';
import type { Peer } from './peers/peer.ts';
import { podLab } from './pod-lab.ts';
import { roundsOr, type Table, timed } from './table.ts';

const COUNT = 50;
const ROUNDS = roundsOr(15);
/** A round of podman's takes as long as three of all others. */
const PODMAN_EVERY = 5;

export async function bench(): Promise<Table> {
  await using lab = await podLab();
  const { kuke, through, ctr, podman } = lab;
  const own = [
    { peer: kuke, run, up: [] as number[], gone: [] as number[] },
    { peer: through, run: through.run, up: [] as number[], gone: [] as number[] },
  ];
  const samples = { ctr: [] as number[], podman: [] as number[] };
  for (let round = 0; round <= ROUNDS; round++) {
    const pods = Array.from({ length: COUNT }, (_, index) => `f${round}-${index}`);
    const file = manifests('fifty', pods);
    for (const one of round % 2 === 0 ? own : own.toReversed()) {
      await one.peer.awake?.(true);
      const up = await timed(() => one.run('apply', '-f', file));
      const gone = await timed(() => one.run('delete', '-f', file, '--cascade'));
      await one.peer.awake?.(false);
      if (round === 0) continue;
      one.up.push(up);
      one.gone.push(gone);
    }
    const byCtr = await oneByOne(ctr, pods);
    if (round === 0) continue;
    samples.ctr.push(byCtr);
    if (round % PODMAN_EVERY === 1) samples.podman.push(await oneByOne(podman, pods));
  }
  const against = [
    { what: ctr.name, most: 0.4 },
    { what: podman.name, most: 0.16 },
  ];
  return {
    title: `${COUNT} pods with one container each`,
    unit: 'ms for all',
    rows: [
      ...own.map(({ peer, up }) => ({ what: peer.name, samples: up, against })),
      { what: ctr.name, samples: samples.ctr },
      { what: podman.name, samples: samples.podman },
      ...own.map(({ peer, gone }) => ({ what: `${peer.name}: all of them deleted by one command`, samples: gone })),
    ],
    notes: [`podman in every ${PODMAN_EVERY}th round, as that takes half a minute.`],
  };
}

async function oneByOne(peer: Peer, pods: string[]): Promise<number> {
  const took = await timed(async () => {
    for (const pod of pods) await peer.up(pod);
  });
  await peer.clear(pods);
  return took;
}
