import { expect, test } from 'bun:test';
import { verdictOf } from '../../../../src/cli/rollout/ready.ts';
import type { Member, Supervised } from '../../../../src/kernel/supervision.ts';

const seen = (status: Record<string, unknown>) =>
  ({ manifest: { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name: 'web' }, spec: {}, status } }) as const;
const member = (more: Partial<Member> = {}): Member => ({
  id: 'main',
  isRoot: true,
  container: { namespace: 'n', id: 'c' },
  state: 'running',
  policy: 'never',
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
