import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { dataDir } from './call.ts';
import { someSets, someSteps } from './model.ts';
import { runSteps } from './run.ts';

test('any sequence of calls gives the addresses that it should, each to one only, and leaves the files that it should', async () => {
  const seen = { given: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(someSets, someSteps, async (sets, steps) => {
      using data = dataDir();
      const { given } = await runSteps(data, sets, steps);
      seen.given += given.size;
      if (given.size === 0) seen.refused++;
    }),
    { numRuns: 150 },
  );
  expect(seen.given).toBeGreaterThan(0);
}, 60_000);
