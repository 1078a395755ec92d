/** Whose value is in a file after manifests and administrators have written to it in any order. */
import { afterEach, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Limits } from '../../../src/kernel/limits/limits.ts';
import { context } from '../../suites/contract.ts';
import { backendOf, cleanUp, setByHand } from './backend-under-test.ts';

const PATH = '/kukeon';
const backend = backendOf();
/** Pages of 2 MiB, which any box has; absent: no limit. */
const SIZE = 2 ** 21;

/** One limit, as it has to be after each change. */
interface Model {
  asked?: number | undefined;
  /** As the manifest had it written. */
  kept?: number | undefined;
  now?: number | undefined;
}

interface Change {
  by: 'manifest' | 'hand';
  pages: number | undefined;
}

function after(one: Model, { by, pages }: Change): Model {
  if (by === 'hand') return { ...one, now: pages };
  if (pages === one.asked) return one;
  // What the manifest does not ask for any more goes, unless it is somebody else's by now.
  const isLeft = pages === undefined && one.now !== one.kept;
  return { asked: pages, kept: pages, now: isLeft ? one.now : pages };
}

const bytes = (pages: number | undefined) => (pages === undefined ? undefined : pages * SIZE);
const limits = (pages: number | undefined): Limits =>
  pages === undefined ? {} : { hugepages: { '2Mi': pages * SIZE } };

async function make(change: Change): Promise<void> {
  if (change.by === 'hand') setByHand(PATH, 'hugepages.2Mi', bytes(change.pages));
  else await backend.limit({ path: PATH, limits: limits(change.pages) }, context());
}

async function check({ asked, kept, now }: Model): Promise<void> {
  const [one] = await backend.limits({ path: PATH, limits: limits(asked) });
  const { current, manual = false, due = false } = one ?? {};
  const isManual = now !== kept && now !== asked;
  expect({ current, manual, due }).toEqual({ current: bytes(now), manual: isManual, due: false });
}

afterEach(cleanUp);

test('the last who changed something has it, and what is by hand is known as such', async () => {
  const pages = fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined });
  const change: fc.Arbitrary<Change> = fc.record({ by: fc.constantFrom('manifest', 'hand'), pages });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 10 }), async changes => {
      await backend.remove({ path: PATH }, context());
      await backend.create({ path: PATH }, context());
      let model: Model = {};
      for (const one of changes) {
        model = after(model, one);
        await make(one);
        await check(model);
      }
    }),
  );
});
