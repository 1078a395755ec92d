/** A dry run has nothing within reach that changes the host. */
import { describe, expect, test } from 'bun:test';
import { ownActions } from '../../../src/kernel/backends/actions.ts';
import type { CgroupBackend, LimitObservation } from '../../../src/kernel/backends/index.ts';
import { makeDryRun } from '../../../src/kernel/dry-run/dry-run.ts';
import { foreseen } from '../../../src/kernel/dry-run/foreseen.ts';
import { foreseenCgroup } from '../../../src/kernel/dry-run/foreseen-cgroup.ts';
import { context } from '../../suites/contract.ts';

test('limits that were planned are there, and those that were lifted are not', async () => {
  const of = (field: LimitObservation['field'], more: Partial<LimitObservation>): LimitObservation => ({
    field,
    file: field,
    manual: false,
    due: true,
    ...more,
  });
  const seen = [
    of('cpu.cpuset', { current: '0' }),
    of('cpu.limit', { current: 1, asked: 2, manual: true }),
    of('memory.high', { current: 5, manual: true }),
    of('pids.limit', { current: 5, manual: true, due: false }),
    of('cpu.weight', { current: 5, asked: 5, due: false }),
  ];
  const backend = foreseenCgroup({ limits: async () => seen } as unknown as CgroupBackend);
  const request = { path: '/kukeon/a', limits: { 'cpu.limit': 2, 'cpu.weight': 5 } };
  expect(await backend.limits?.(request)).toEqual(seen);
  await backend.limit?.({ ...request, take: ['pids.limit'] }, context());
  expect(await backend.limits?.(request)).toEqual([
    of('cpu.limit', { current: 2, asked: 2, due: false }),
    of('memory.high', { current: 5, manual: true, due: false }),
    of('cpu.weight', { current: 5, asked: 5, due: false }),
  ]);
});

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
