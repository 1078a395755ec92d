import { expect, test } from 'bun:test';
import { inFlight, makeSlots } from '../../../../plugins/containerd-shim/images/in-flight.ts';

test('no more at once than the limit, and done when all are', async () => {
  const work = inFlight(3);
  let running = 0;
  let most = 0;
  let ended = 0;
  for (let i = 0; i < 10; i++) {
    work.add(
      (async () => {
        most = Math.max(most, ++running);
        await Bun.sleep(1);
        running -= 1;
        ended += 1;
      })(),
    );
    await work.room();
  }
  await work.done();
  expect({ most, ended }).toEqual({ most: 3, ended: 10 });
});

test('the first failure is told, and all others are still waited for', async () => {
  const work = inFlight(10);
  const slow = Promise.withResolvers<void>();
  let ended = false;
  work.add(Promise.reject(new Error('first')));
  work.add(
    slow.promise.then(() => {
      ended = true;
      throw new Error('second');
    }),
  );
  await expect(work.done()).rejects.toThrow('first');
  await expect(work.room()).rejects.toThrow('first');
  slow.resolve();
  await work.settled();
  expect(ended).toBe(true);
});

test('slots: no more at once than there are, in turn, also after failures', async () => {
  const inSlot = makeSlots(2);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  const work = (at: number) =>
    inSlot(async () => {
      running += 1;
      most = Math.max(most, running);
      order.push(at);
      await Bun.sleep(1);
      running -= 1;
      if (at % 2 === 1) throw new Error('odd');
    }).catch(() => {});
  await Promise.all(Array.from({ length: 9 }, (_, at) => work(at)));
  expect(most).toBe(2);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});
