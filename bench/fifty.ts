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
  const { kuke, ctr, podman } = lab;
  const samples = { kuke: [] as number[], ctr: [] as number[], podman: [] as number[], gone: [] as number[] };
  for (let round = 0; round <= ROUNDS; round++) {
    const pods = Array.from({ length: COUNT }, (_, index) => `f${round}-${index}`);
    const file = manifests('fifty', pods);
    const took = await timed(() => run('apply', '-f', file));
    const gone = await timed(() => run('delete', '-f', file, '--cascade'));
    const byCtr = await oneByOne(ctr, pods);
    if (round === 0) continue;
    samples.kuke.push(took);
    samples.gone.push(gone);
    samples.ctr.push(byCtr);
    if (round % PODMAN_EVERY === 1) samples.podman.push(await oneByOne(podman, pods));
  }
  return {
    title: `${COUNT} pods with one container each`,
    unit: 'ms for all',
    rows: [
      {
        what: kuke.name,
        samples: samples.kuke,
        against: [
          { what: ctr.name, most: 0.4 },
          { what: podman.name, most: 0.16 },
        ],
      },
      { what: ctr.name, samples: samples.ctr },
      { what: podman.name, samples: samples.podman },
      { what: 'kuke, all of them deleted by one command', samples: samples.gone },
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
