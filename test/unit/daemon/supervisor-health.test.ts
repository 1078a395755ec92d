import { expect, test } from 'bun:test';
import { makeHealthWatch } from '../../../src/daemon/supervisor/health-watch.ts';
import type { HealthCheck, Member } from '../../../src/kernel/supervision.ts';
import { eventually } from '../../suites/contract.ts';

/** Its looks see what `results` say, the last one from then on. */
function checked(results: boolean[], differs: Partial<HealthCheck> = {}): { member: Member; looks(): number } {
  let looks = 0;
  const check: HealthCheck = {
    key: '',
    intervalMs: 1,
    timeoutMs: 1000,
    retries: 3,
    startPeriodMs: 0,
    onUnhealthy: 'none',
    probe: async () => ({ ok: results[Math.min(looks++, results.length - 1)] ?? false, message: `look ${looks}` }),
    ...differs,
  };
  const container = { namespace: 'kukeon-main', id: 'x' };
  const kept = { policy: 'never' as const, isStored: true, restarts: 0, retries: 0, after: [] };
  return { member: { id: 'x', isRoot: true, container, state: 'running', pid: 7, check, ...kept }, looks: () => looks };
}

/** What is told until it is `last`. */
async function told(member: Member, last: string): Promise<string[]> {
  const lines: string[] = [];
  const watch = makeHealthWatch((_, pid, health, message) => lines.push(`${pid} ${health}: ${message}`));
  watch.keep([member]);
  await eventually(async () => (lines.at(-1)?.includes(last) ? true : undefined));
  watch.end();
  return lines;
}

test('one look makes it healthy, so many failures in a row unhealthy, and one look well again', async () => {
  const { member } = checked([true, false, false, true, false, false, false, true]);
  expect(await told(member, 'look 8')).toEqual([
    '7 starting: it was started',
    '7 healthy: look 1',
    '7 unhealthy: look 7',
    '7 healthy: look 8',
  ]);
});

test('one that was healthy for an earlier kukeond is so until as many looks say otherwise', async () => {
  const { member } = checked([false], { startPeriodMs: 60_000 });
  expect(await told({ ...member, wasHealthy: true }, 'unhealthy')).toEqual([
    '7 healthy: as it was before',
    '7 unhealthy: look 3',
  ]);
});

test('what an earlier kukeond has seen counts for the first look alone', async () => {
  const lines: string[] = [];
  const watch = makeHealthWatch((_, __, health) => lines.push(health));
  const { member } = checked([false], { intervalMs: 60_000 });
  watch.keep([{ ...member, wasHealthy: true }]);
  watch.keep([{ ...member, state: 'unknown' }]);
  watch.keep([{ ...member, wasHealthy: true }]);
  expect(lines).toEqual(['healthy', 'starting']);
  watch.end();
});

test('failures before it was healthy do not count in the startPeriod, and do after it', async () => {
  const { member } = checked([false], { startPeriodMs: 100, intervalMs: 10 });
  const [, unhealthy = ''] = await told(member, 'unhealthy');
  expect(Number(unhealthy.split(' ').at(-1))).toBeGreaterThan(3);
  expect((await told(checked([true, false], { startPeriodMs: 60_000 }).member, 'unhealthy')).at(-1)).toContain(
    'look 4',
  );
});

test('another process is looked at anew, another check too; what has ended no more', async () => {
  const lines: string[] = [];
  const watch = makeHealthWatch((_, pid, health) => lines.push(`${pid} ${health}`));
  const { member, looks } = checked([true]);
  watch.keep([member]);
  await eventually(async () => (lines.length === 2 ? true : undefined));
  watch.keep([{ ...member }]);
  watch.keep([{ ...member, pid: 8 }]);
  await eventually(async () => (lines.length === 4 ? true : undefined));
  const other = checked([true], { key: 'other' }).member;
  watch.keep([{ ...other, pid: 8 }]);
  await eventually(async () => (lines.length === 6 ? true : undefined));
  expect(lines).toEqual(['7 starting', '7 healthy', '8 starting', '8 healthy', '8 starting', '8 healthy']);
  watch.keep([{ ...member, state: 'ended' }]);
  const before = looks();
  await Bun.sleep(20);
  expect(looks()).toBe(before);
  watch.end();
});

test('a look at a cell that has been forgotten meanwhile begins nothing', async () => {
  const lines: string[] = [];
  const watch = makeHealthWatch((_, __, health) => lines.push(health));
  const { member, looks } = checked([false]);
  watch.end();
  watch.keep([member]);
  await Bun.sleep(20);
  expect([lines, looks()]).toEqual([[], 0]);
  watch.end();
});
