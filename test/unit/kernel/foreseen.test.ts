/** A dry run has nothing within reach that changes the host. */
import { describe, expect, test } from 'bun:test';
import { ownActions } from '../../../src/kernel/backends/actions.ts';
import { makeDryRun } from '../../../src/kernel/dry-run/dry-run.ts';
import { foreseen } from '../../../src/kernel/dry-run/foreseen.ts';

describe.each(Object.keys(ownActions) as (keyof typeof ownActions)[])('%s', name => {
  const changed: string[] = [];
  const real = Object.fromEntries(
    [...Object.keys(ownActions[name]), 'more'].map(action => [action, async () => void changed.push(action)]),
  );
  const backend = foreseen(name, real, makeDryRun()) as typeof real;

  test('each of its actions is foreseen', () => {
    for (const action of Object.keys(ownActions[name])) {
      const [once, again] = [backend[action], backend[action]];
      expect(once).not.toBe(real[action]);
      // Each refusal is another one.
      expect({ action, isForeseen: once === again }).toEqual({ action, isForeseen: true });
    }
  });

  test('one that nobody has foreseen is refused, and what only looks is asked', async () => {
    const actions: object = ownActions[name];
    Object.assign(actions, { extra: {} });
    try {
      await expect(backend.extra?.()).rejects.toThrow(`a dry run knows nothing of ${name}.extra`);
    } finally {
      Reflect.deleteProperty(actions, 'extra');
    }
    await backend.more?.();
    expect(changed).toEqual(['more']);
  });
});
