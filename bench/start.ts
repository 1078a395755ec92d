/** Start-up: the whole process, beside the start of a compiled Bun program that does nothing. */
import { writeFileSync } from 'node:fs';
import { startContainerd } from '../test/host/containerd.ts';
import { kuke, run } from './peers/kuke.ts';
import { done } from './peers/peer.ts';
import { inTurn, roundsOr, type Table, timed } from './table.ts';

const ROUNDS = roundsOr(60);
const EMPTY = '/root/empty';

export async function bench(): Promise<Table> {
  await using _ = await startContainerd();
  const { up } = await kuke();
  await up('one');
  await compileEmpty();
  const rows = {
    'an empty compiled Bun program': [EMPTY],
    'kuke version': ['version'],
    'kuke --help': ['--help'],
    'kuke get cells': ['get', 'cells'],
    'kuke apply, of what is there': ['apply', '-f', '/root/manifests/one.yaml'],
  };
  const candidates = Object.entries(rows).map(([what, args]) => {
    const work = args[0] === EMPTY ? () => done([EMPTY]) : () => run(...args);
    return [what, () => timed(work)] as const;
  });
  const samples = await inTurn(ROUNDS, Object.fromEntries(candidates));
  return {
    title: 'Start-up',
    unit: 'ms',
    rows: Object.keys(rows).map(what => ({
      what,
      samples: samples[what] ?? [],
      ...(what === 'kuke version' && { against: [{ what: 'an empty compiled Bun program', most: 2.5 }] }),
    })),
  };
}

/** With the flags of build.ts. */
async function compileEmpty(): Promise<void> {
  writeFileSync('/root/empty.ts', '');
  const flags = ['--compile', '--minify', '--bytecode', '--format=esm', '--no-compile-autoload-dotenv'];
  await done([
    process.execPath,
    'build',
    ...flags,
    '--no-compile-autoload-bunfig',
    '--outfile',
    EMPTY,
    '/root/empty.ts',
  ]);
}
