/** The changes that run for clients, and the end of the daemon. */
import { expect, test } from 'bun:test';
import { LIMITS } from '../../../src/daemon/server/limits.ts';
import { makeRunningChanges } from '../../../src/daemon/server/running-changes.ts';

test('while the daemon ends, what runs comes to its end, and nothing more begins', async () => {
  const changes = makeRunningChanges(LIMITS);
  const first = Promise.withResolvers<string>();
  const running = changes.run(0, () => first.promise);
  const ended = changes.ended(60_000);
  let isBegun = false;
  const late = changes.run(0, async () => (isBegun = true));
  await expect(late).rejects.toMatchObject({ code: 'Busy', message: 'the daemon is about to end' });
  first.resolve('done');
  expect([await running, isBegun]).toEqual(['done', false]);
  await ended;
  expect(changes.count).toBe(0);
});

test('what is not done in time is called off, and awaited', async () => {
  const changes = makeRunningChanges(LIMITS);
  let isUndone = false;
  const running = changes.run(0, async signal => {
    await new Promise(resolve => signal.addEventListener('abort', resolve));
    await Bun.sleep(1);
    isUndone = true;
  });
  await changes.ended(1);
  expect(isUndone).toBe(true);
  await running;
});
