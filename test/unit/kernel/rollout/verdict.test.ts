import { expect, test } from 'bun:test';
import { unsteady, verdictOf } from '../../../../src/kernel/rollout/ready.ts';
import type { Member, Supervised } from '../../../../src/kernel/supervision.ts';

const seen = (status: Record<string, unknown>) =>
  ({ manifest: { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name: 'web' }, spec: {}, status } }) as const;
const member = (more: Partial<Member> = {}): Member => ({
  id: 'main',
  isRoot: true,
  container: { namespace: 'n', id: 'c' },
  state: 'running',
  policy: 'never',
  isStored: true,
  restarts: 0,
  retries: 0,
  after: [],
  ...more,
});
const supervised = (members: Member[], isWanted = true): Supervised => ({
  isWanted,
  autoDelete: false,
  hasPlace: true,
  isOpen: true,
  after: [],
  members,
});
const dead = (more: Partial<Member>) => supervised([member({ state: 'ended', exitCode: 1, ...more })]);

test.each([
  ['Ready', seen({ state: 'Ready' }), supervised([member()]), 'ready'],
  ['of a kind that nobody keeps running', seen({ state: 'Ready' }), undefined, 'ready'],
  ['stopped on request', seen({ state: 'Stopped', reason: 'Requested' }), supervised([], false), 'ready'],
  ['a job that is done', seen({ state: 'Stopped', reason: 'Completed' }), dead({ exitCode: 0 }), 'ready'],
  ['unhealthy', seen({ state: 'Degraded' }), supervised([member()]), 'waiting'],
  ['to be started again', seen({ state: 'Failed', reason: 'Restarting' }), dead({ policy: 'always' }), 'waiting'],
  ['too often started again', seen({ state: 'Failed' }), dead({ policy: 'always', maxRetries: 3, retries: 3 }), 'lost'],
  ['dead for good', seen({ state: 'Failed', reason: 'RootExited' }), dead({}), 'lost'],
  ['held', seen({ state: 'Failed', reason: 'Unhealthy' }), dead({ policy: 'always', heldFor: 'Unhealthy' }), 'lost'],
  ['not seen yet', seen({}), supervised([]), 'waiting'],
] as const)('%s', (_, resource, how, is) => {
  expect(verdictOf(resource, how).is).toBe(is);
});

const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const check = { key: '', intervalMs: 1, timeoutMs: 1, retries: 1, startPeriodMs: 0, onUnhealthy: 'none' } as const;
const probed = { ...check, probe: async () => ({ ok: true, message: '' }) };

test.each([
  ['for long', member({ startedAt: ago(60_000) }), undefined],
  ['for a moment', member({ startedAt: ago(100) }), 'waiting'],
  ['for a moment, and is looked at', member({ startedAt: ago(100), check: probed }), undefined],
  ['not any more', member({ startedAt: ago(100), state: 'ended' }), undefined],
  ['by a clock that was set back', member({ startedAt: ago(-60_000) }), undefined],
] as const)('a container that runs %s', (_, one, is) => {
  expect(unsteady([member({ startedAt: ago(60_000) }), one], 30_000)?.is).toBe(is);
});
