/** VERSION, which a runtime may ask before each verb: the whole process. */
import { join } from 'node:path';
import { kukePlugins, REFERENCE } from './lab.ts';
import { inTurn, roundsOr, type Table, timed } from './table.ts';

const ROUNDS = roundsOr(60);

const ask = (folder: string) => () =>
  timed(async () => {
    const program = Bun.spawn([join(folder, 'bridge')], {
      env: { CNI_COMMAND: 'VERSION', CNI_PATH: folder },
      stdin: Buffer.from('{"cniVersion":"1.0.0"}'),
      stdout: 'pipe',
      stderr: 'inherit',
    });
    const text = await program.stdout.text();
    if ((await program.exited) !== 0 || !text.includes('supportedVersions')) throw new Error(`VERSION: ${text}`);
  });

export async function bench(): Promise<Table> {
  const samples = await inTurn(ROUNDS, { reference: ask(REFERENCE), kuke: ask(kukePlugins()) });
  return {
    title: 'VERSION',
    unit: 'ms',
    rows: [
      { what: 'reference bridge', samples: samples.reference ?? [] },
      { what: 'kuke as bridge', samples: samples.kuke ?? [], against: [{ what: 'reference bridge', most: 2.5 }] },
    ],
  };
}
