/** Whole commands: a cell of one container, and ten such, from a manifest to running, and to nothing. */
import { startContainerd } from '../test/host/containerd.ts';
import { cell, loadImage } from '../test/host/kuke/cells.ts';
import { apply, kuke, run } from '../test/host/kuke/kuke.ts';
import { type Table, timed } from './table.ts';

const ROUNDS = 8;
const MANY = 10;

export async function bench(): Promise<Table> {
  await using _ = await startContainerd();
  await kuke('init');
  await loadImage();
  const samples = {
    apply: [] as number[],
    delete: [] as number[],
    applyMany: [] as number[],
    deleteMany: [] as number[],
  };
  const one = [cell('one')];
  const many = Array.from({ length: MANY }, (_, index) => cell(`cell${index}`));
  for (let round = 0; round <= ROUNDS; round++) {
    const seen = [
      await timed(() => apply(...one)),
      await timed(() => remove(one)),
      await timed(() => apply(...many)),
      await timed(() => remove(many)),
    ] as const;
    if (round === 0) continue;
    samples.apply.push(seen[0]);
    samples.delete.push(seen[1]);
    samples.applyMany.push(seen[2]);
    samples.deleteMany.push(seen[3]);
  }
  return {
    title: 'Cells of one container',
    unit: 'ms',
    rows: [
      { what: 'kuke apply of one', samples: samples.apply },
      { what: 'kuke delete of one', samples: samples.delete },
      { what: `kuke apply of ${MANY}`, samples: samples.applyMany },
      { what: `kuke delete of ${MANY}`, samples: samples.deleteMany },
    ],
  };
}

async function remove(cells: object[]): Promise<void> {
  const stdin = cells.map(one => JSON.stringify(one)).join('\n---\n');
  const { status, stderr } = await run(['delete', '-f', '-', '--cascade'], { stdin });
  if (status !== 0) throw new Error(`delete: exit code ${status}: ${stderr}`);
}
