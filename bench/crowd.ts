/** What a cell costs where there are many already: one more, all of them listed, and the memory that it takes. */
import { startContainerd } from '../test/host/containerd.ts';
import { binary } from '../test/host/kuke/kuke.ts';
import { kuke, manifests, run } from './peers/kuke.ts';
import { output } from './peers/peer.ts';
import { type Row, roundsOr, type Table, timed } from './table.ts';

const CROWDS = [1, 10, 50, 100, 200];
const ROUNDS = roundsOr(15);
const MOST_MEMORY = 100;

export async function bench(): Promise<Table[]> {
  await using _ = await startContainerd({ cri: true });
  const { up, down } = await kuke();
  const seen = {
    version: [] as number[],
    add: new Map<number, number[]>(),
    remove: new Map<number, number[]>(),
    list: new Map<number, number[]>(),
    memory: [] as Row[],
  };
  const rounds = Array.from({ length: ROUNDS + 1 }, (_, round) => round);
  let there = 0;
  for (const crowd of CROWDS) {
    const more = Array.from({ length: crowd - there }, (_, index) => `n${there + index}`);
    const file = manifests('crowd', more);
    seen.memory.push(await memory(`apply of ${more.length}`, ['apply', '-f', file], 1));
    there = crowd;
    const [added, removed, listed]: number[][] = [[], [], []];
    for (const round of rounds) {
      const add = await timed(() => up('one-more'));
      const remove = await timed(() => down('one-more'));
      const list = await timed(() => run('get', 'cells', '-A'));
      const version = await timed(() => run('version'));
      if (round === 0) continue;
      added?.push(add);
      removed?.push(remove);
      listed?.push(list);
      seen.version.push(version);
    }
    seen.add.set(crowd, added ?? []);
    seen.remove.set(crowd, removed ?? []);
    seen.list.set(crowd, listed ?? []);
  }
  const file = manifests('one-more', ['one-more']);
  seen.memory.push(
    await memory(`apply of one beside ${there}`, ['apply', '-f', file]),
    await memory(`get cells -A, ${there} there`, ['get', 'cells', '-A']),
    await memory(`delete of one beside ${there}`, ['delete', 'cell', 'one-more', '--cascade'], 1),
  );
  const rows = (
    what: (crowd: number) => string,
    of: Map<number, number[]>,
    goal: { of: number; most: number },
  ): Row[] =>
    [...of].map(([crowd, samples]) => ({
      what: what(crowd),
      samples,
      ...(crowd === CROWDS.at(-1) && { against: [{ what: what(goal.of), most: goal.most }] }),
    }));
  return [
    {
      title: 'One more cell beside others',
      unit: 'ms',
      rows: [
        ...rows(crowd => `added beside ${crowd}`, seen.add, { of: 10, most: 1.2 }),
        ...rows(crowd => `deleted beside ${crowd}`, seen.remove, { of: 10, most: 1.2 }),
      ],
    },
    {
      title: '`kuke get cells -A`',
      unit: 'ms',
      rows: [
        { what: '`kuke version`, in the same rounds', samples: seen.version },
        ...[...seen.list].map(([crowd, samples]) => ({
          what: `${crowd} cells`,
          samples,
          ...(crowd === CROWDS.at(-1) && {
            against: [{ what: '`kuke version`, in the same rounds', most: 1, plus: 20 }],
          }),
        })),
      ],
    },
    { title: 'Peak memory of a command', unit: 'MiB', rows: seen.memory },
  ];
}

/** ru_maxrss, by time(1): a child of ours would begin with our own. */
async function memory(what: string, args: string[], rounds = 5): Promise<Row> {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await output(['/usr/bin/time', '-o', '/run/peak', '-f', '%M', binary, ...args]);
    samples.push(Number(await Bun.file('/run/peak').text()) / 1024);
  }
  return { what, samples, most: MOST_MEMORY };
}
