import { expect, test } from 'bun:test';
import { inTurn } from '../../../../plugins/containerd-shim/runtime/shim-group.ts';

test('work of one group takes turns, in order, also after a failure; another group does not wait', async () => {
  const events: string[] = [];
  const gate = Promise.withResolvers<void>();
  const work =
    (name: string, until: Promise<void> = Promise.resolve()) =>
    async () => {
      events.push(`${name} begins`);
      await until;
      events.push(`${name} ends`);
      if (name === 'a') throw new Error('a failed');
      return name;
    };
  const a = inTurn('group', work('a', gate.promise));
  const b = inTurn('group', work('b'));
  const c = inTurn('group', work('c'));
  expect(await inTurn('other', work('d'))).toBe('d');
  expect(events).toEqual(['a begins', 'd begins', 'd ends']);
  gate.resolve();
  await expect(a).rejects.toThrow('a failed');
  expect(await Promise.all([b, c])).toEqual(['b', 'c']);
  expect(events.slice(3)).toEqual(['a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});
