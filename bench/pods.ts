/** A pod up and a pod gone, by everybody, in turn: one container, a second one in it, and its end. */

import type { Peer } from './peers/peer.ts';
import { podLab } from './pod-lab.ts';
import { roundsOr, type Table, timed } from './table.ts';

const ROUNDS = roundsOr(20);

export async function bench(): Promise<Table[]> {
  await using lab = await podLab();
  const { kuke, through, runc, ctr, podman, cri } = lab;
  const peers: Peer[] = [kuke, through, runc, ctr, podman, cri];
  const seen = { up: samplesOf(peers), second: samplesOf(peers), down: samplesOf(peers) };
  const put = (of: Map<string, number[]>, peer: Peer, value: number) => void of.get(peer.name)?.push(value);
  for (let round = 0; round <= ROUNDS; round++) {
    const first = round % peers.length;
    for (const peer of [...peers.slice(first), ...peers.slice(0, first)]) {
      const pod = `p${round}`;
      await peer.awake?.(true);
      const up = await timed(() => peer.up(pod));
      const down = await timed(() => peer.down(pod));
      const second = await secondOf(peer, `s${round}`, up);
      await peer.awake?.(false);
      if (round === 0) continue;
      put(seen.up, peer, up);
      put(seen.down, peer, down);
      if (second !== undefined) put(seen.second, peer, second);
    }
  }
  const against = (goals: [Peer, number][]) => goals.map(([{ name: what }, most]) => ({ what, most }));
  const table = (title: string, of: Map<string, number[]>, goals: [Peer, number][]): Table => ({
    title,
    unit: 'ms',
    rows: [...of].flatMap(([what, samples]) => {
      if (samples.length === 0) return [];
      return [{ what, samples, ...((what === kuke.name || what === through.name) && { against: against(goals) }) }];
    }),
  });
  return [
    table('A pod with one container is up, and its address is known', seen.up, [
      [runc, 2.4],
      [ctr, 0.6],
      [podman, 0.25],
    ]),
    {
      ...table('What a second container adds', seen.second, [[ctr, 0.5]]),
      notes: ['kuke: an apply of a cell with two containers, less the one of that round with one.'],
    },
    table('A pod with one container is gone', seen.down, [
      [ctr, 0.6],
      [podman, 0.25],
    ]),
  ];

  /** Of kuke, which makes all of a cell by one command: what two containers take beyond one. */
  async function secondOf(peer: Peer, pod: string, one: number): Promise<number | undefined> {
    const own = [kuke, through].find(one => one === peer);
    if (own !== undefined) {
      const both = await timed(() => own.two(pod));
      await own.clear([pod]);
      return both - one;
    }
    if (peer.second === undefined) return undefined;
    await peer.up(pod);
    const took = await timed(() => peer.second?.(pod));
    await peer.clear([pod]);
    return took;
  }
}

const samplesOf = (peers: Peer[]) => new Map<string, number[]>(peers.map(({ name }) => [name, []]));
