import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  DELETE_AFTER_MS,
  type Decision,
  decide,
  failed,
  HEALTHY_MS,
  held,
  LONGEST_PAUSE_MS,
  type Memory,
  notesOf,
  nothing,
  pauseMs,
  remember,
  started,
} from '../../../src/daemon/supervisor/decide.ts';
import type { HealthCheck, Member, RestartPolicy, Supervised } from '../../../src/kernel/supervision.ts';

const member = (id: string, differs: Partial<Member> = {}): Member => ({
  id,
  isRoot: id === 'root',
  container: { namespace: 'kukeon-main', id },
  state: 'running',
  policy: 'always',
  isStored: true,
  restarts: 0,
  retries: 0,
  after: [],
  ...(differs.state === undefined && { pid: 100 }),
  ...differs,
});

const seen = (members: Member[], differs: Partial<Supervised> = {}): Supervised => ({
  isWanted: true,
  autoDelete: false,
  hasPlace: true,
  isOpen: true,
  after: [],
  members,
  ...differs,
});

const ended = (exitCode?: number, differs: Partial<Member> = {}): Partial<Member> => ({
  state: 'ended',
  ...(exitCode !== undefined && { exitCode }),
  ...differs,
});

const check = (onUnhealthy: HealthCheck['onUnhealthy']): HealthCheck => ({
  key: '',
  intervalMs: 1000,
  timeoutMs: 1000,
  retries: 1,
  startPeriodMs: 0,
  onUnhealthy,
  probe: async () => ({ ok: true, message: '' }),
});

/** What is decided of a resource that is seen for the first time. */
const first = (what: Supervised): Decision => decide(what, remember(nothing, what, 0), 0);

describe('of what is seen for the first time', () => {
  const other = (differs: Partial<Member>) => [member('root'), member('side', differs)];
  test.each<[string, Supervised, Decision]>([
    ['all runs', seen([member('root'), member('side')]), { act: 'none' }],
    ['one has ended that is always to run', seen(other(ended(0))), { act: 'restart', members: ['side'] }],
    ['one has failed', seen(other(ended(1, { policy: 'on-failure' }))), { act: 'restart', members: ['side'] }],
    [
      'one has ended well, and is to come back on failure',
      seen(other(ended(0, { policy: 'on-failure' }))),
      { act: 'none' },
    ],
    [
      'nobody knows how one ended',
      seen(other(ended(undefined, { policy: 'on-failure' }))),
      { act: 'restart', members: ['side'] },
    ],
    ['one is never to come back', seen(other(ended(1, { policy: 'never' }))), { act: 'none' }],
    ['one has used up its retries', seen(other(ended(1, { maxRetries: 3, retries: 3 }))), { act: 'none' }],
    ['one may not be started again at all', seen(other(ended(1, { maxRetries: 0 }))), { act: 'none' }],
    ['one was never started', seen(other({ state: 'pending' })), { act: 'restart', members: ['side'] }],
    ['one is held', seen(other(ended(1, { heldFor: 'Unhealthy' }))), { act: 'none' }],
    ['nobody can say of one', seen([member('root', ended(1)), member('side', { state: 'unknown' })]), { act: 'none' }],
    ['the root has ended', seen([member('root', ended(1)), member('side')]), { act: 'restart', members: ['root'] }],
    [
      'all have ended',
      seen([member('root', ended(1)), member('side', ended(1))]),
      { act: 'restart', members: ['root', 'side'] },
    ],
    [
      'the root has ended for good',
      seen([member('root', ended(0, { policy: 'never' })), member('side')]),
      { act: 'settle' },
    ],
    ['and has left nothing', seen([member('root', ended(0, { policy: 'never' }))], { isOpen: false }), { act: 'none' }],
    [
      'and is to be deleted',
      seen([member('root', ended(0, { policy: 'never' }))], { autoDelete: true }),
      { act: 'settle', lookAt: DELETE_AFTER_MS },
    ],
    ['it was stopped', seen([member('root', ended(1))], { isWanted: false, isOpen: false }), { act: 'none' }],
    [
      'it was stopped, and is to be deleted',
      seen([member('root', ended(1))], { isWanted: false, autoDelete: true, isOpen: false }),
      { act: 'none', lookAt: DELETE_AFTER_MS },
    ],
    ['it is being stopped', seen([member('root')], { isWanted: false, autoDelete: true }), { act: 'none' }],
    [
      'it has never run',
      seen([member('root', { state: 'pending' })], { hasPlace: false, isOpen: false }),
      { act: 'start' },
    ],
    [
      'the host was rebooted',
      seen([member('root', ended(undefined, { policy: 'never' }))], { hasPlace: false }),
      { act: 'start' },
    ],
    [
      'it had ended before the reboot',
      seen([member('root', ended(0, { policy: 'never' }))], { hasPlace: false, isOpen: false }),
      { act: 'none' },
    ],
    [
      'its shim has died',
      seen([member('root', ended()), member('side', ended())]),
      { act: 'restart', members: ['root', 'side'] },
    ],
    [
      'its shim has died, and it is not to come back',
      seen([member('root', ended(undefined, { policy: 'never' }))]),
      { act: 'hold', members: ['root'], why: 'Lost' },
    ],
    ['a cell without containers', seen([]), { act: 'none' }],
  ])('%s', (_, what, decision) => {
    expect(first(what)).toEqual(decision);
  });
});

/** A member that fails as soon as it runs, followed through its restarts: when each one comes, in ms after its death. */
function pausesOf(deaths: number, lifeMs: number, differs: Partial<Member> = {}): number[] {
  let now = 1000;
  let memory: Memory = nothing;
  const pauses: number[] = [];
  for (let pid = 1; pid <= deaths; pid++) {
    memory = remember(memory, seen([member('root', { pid, ...differs })]), now);
    now += lifeMs;
    const down = seen([member('root', ended(1, differs))]);
    memory = remember(memory, down, now);
    const decision = decide(down, memory, now);
    const at = decision.act === 'restart' ? now : decision.lookAt;
    if (at === undefined) return pauses;
    expect(decide(down, memory, at - 1).act).toBe('none');
    expect(decide(down, memory, at).act).toBe('restart');
    pauses.push(at - now);
    now = at;
    memory = started(memory, ['root']);
  }
  return pauses;
}

describe('pauses', () => {
  test('none before the first restart, then 1 s and twice as much each time, up to 5 min', () => {
    const seconds = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
    expect(pausesOf(12, 10)).toEqual(seconds.map(one => one * 1000));
  });

  test('are forgotten after ten minutes of health', () => {
    expect(pausesOf(5, HEALTHY_MS - 1)).toEqual([0, 1000, 2000, 4000, 8000]);
    expect(pausesOf(5, HEALTHY_MS)).toEqual([0, 0, 0, 0, 0]);
  });

  test('restartMaxRetries is the end of them', () => {
    expect(pausesOf(9, 10, { maxRetries: 3 })).toEqual([0, 1000, 2000]);
    expect(pausesOf(9, HEALTHY_MS, { maxRetries: 3 }).length).toBe(9);
  });

  test('begin anew where somebody has started it, also if it ended before it was seen to run', () => {
    const down = (startedAt: string) => seen([member('root', ended(1, { maxRetries: 1, startedAt }))]);
    let memory = started(remember(nothing, down('a'), 0), ['root']);
    memory = remember(memory, down('b'), 1);
    expect(decide(down('b'), memory, 1)).toEqual({ act: 'settle' });
    memory = remember(memory, down('c'), 2);
    expect(decide(down('c'), memory, 2)).toEqual({ act: 'restart', members: ['root'] });
  });

  test('a start that comes to nothing lengthens them, and is no retry', () => {
    const down = seen([member('root', ended(1, { maxRetries: 1 }))]);
    let memory = remember(nothing, down, 0);
    for (const pause of [1000, 2000, 4000]) {
      memory = failed(memory, ['root'], 0);
      expect(decide(down, memory, 0)).toEqual({ act: 'none', lookAt: pause });
    }
    expect(notesOf(memory).get('root')).toEqual({ restarts: 0, retries: 0 });
  });

  test('never shrink, nor exceed the longest', () => {
    fc.assert(
      fc.property(fc.nat(5000), before => {
        expect(pauseMs(before)).toBeLessThanOrEqual(pauseMs(before + 1));
        expect(pauseMs(before + 1)).toBeLessThanOrEqual(LONGEST_PAUSE_MS);
      }),
    );
  });
});

describe('what is remembered', () => {
  test('restarts are counted; a start by somebody else begins anew', () => {
    let memory = remember(nothing, seen([member('root')]), 0);
    memory = started(remember(memory, seen([member('root', ended(1))]), 5), ['root']);
    expect(notesOf(memory).get('root')).toEqual({ restarts: 1, retries: 1 });
    memory = remember(memory, seen([member('root', { pid: 101 })]), 6);
    expect(notesOf(memory).get('root')).toEqual({ restarts: 1, retries: 1 });
    memory = remember(memory, seen([member('root', ended(1))]), 7);
    memory = remember(memory, seen([member('root', { pid: 102 })]), 8);
    expect(notesOf(memory).get('root')).toEqual({ restarts: 1, retries: 0 });
  });

  test('a supervisor that was killed goes on with what is stored', () => {
    const down = seen([member('root', ended(1, { restarts: 7, retries: 4 }))]);
    expect(decide(down, remember(nothing, down, 50), 50)).toEqual({ act: 'none', lookAt: 50 + 8000 });
  });

  test('what an earlier supervisor has seen well is well until it is seen otherwise, in that life', () => {
    const well = (pid: number) => seen([member('root', { pid, check: check('none'), wasHealthy: true })]);
    const memory = remember(nothing, well(100), 0);
    expect(notesOf(memory).get('root')).toEqual({ restarts: 0, retries: 0, health: 'healthy', pid: 100 });
    expect(notesOf(remember(memory, well(101), 1)).get('root')?.health).toBeUndefined();
  });

  test('what is stopped by the user begins anew', () => {
    const down = seen([member('root', ended(1, { retries: 4 }))], { isWanted: false });
    expect(notesOf(remember(nothing, down, 0)).get('root')).toEqual({ restarts: 0, retries: 0 });
  });
});

describe('what is unhealthy', () => {
  const unwell = (what: Supervised): Memory => {
    const memory = remember(nothing, what, 0);
    const members = new Map([...memory.members].map(([id, one]) => [id, { ...one, health: 'unhealthy' as const }]));
    return remember({ ...memory, members }, what, 10);
  };
  test.each<[HealthCheck['onUnhealthy'], Decision]>([
    ['none', { act: 'none' }],
    ['restart', { act: 'restart', members: ['side'] }],
    ['stop', { act: 'hold', members: ['side'], why: 'Unhealthy' }],
  ])('%s', (onUnhealthy, decision) => {
    const what = seen([member('root'), member('side', { policy: 'never', check: check(onUnhealthy) })]);
    expect(decide(what, unwell(what), 10)).toEqual(decision);
  });

  test('what was stopped for it stays so', () => {
    const memory = held(remember(nothing, seen([member('root'), member('side')]), 0), ['side'], 'Unhealthy');
    const down = seen([member('root'), member('side', ended(0))]);
    expect(decide(down, remember(memory, down, 5), 5)).toEqual({ act: 'none' });
    expect(notesOf(memory).get('side')).toMatchObject({ heldFor: 'Unhealthy' });
  });
});

test('what is to be deleted is so a while after its end; one that was started again meanwhile is not', () => {
  for (const isWanted of [true, false]) {
    const down = seen([member('root', ended(0, { policy: 'never' }))], { autoDelete: true, isOpen: false, isWanted });
    let memory = remember(nothing, down, 1000);
    memory = remember(memory, down, 4000);
    expect(decide(down, memory, 4000)).toEqual({ act: 'none', lookAt: 1000 + DELETE_AFTER_MS });
    expect(decide(down, memory, 1000 + DELETE_AFTER_MS)).toEqual({ act: 'delete' });
    memory = remember(memory, seen([member('root', { pid: 5 })]), 5000);
    memory = remember(memory, down, 7000);
    expect(decide(down, memory, 7000)).toEqual({ act: 'none', lookAt: 7000 + DELETE_AFTER_MS });
  }
});

test('nothing is done twice, nothing to what is stopped, and what is due is looked at in time', () => {
  const policies = fc.constantFrom<RestartPolicy>('never', 'on-failure', 'always');
  const oneMember = fc.record({
    state: fc.constantFrom<Member['state']>('running', 'ended', 'pending'),
    exitCode: fc.option(fc.constantFrom(0, 1, 137), { nil: undefined }),
    policy: policies,
    retries: fc.nat(5),
  });
  const flags = fc.record({
    isWanted: fc.boolean(),
    autoDelete: fc.boolean(),
    hasPlace: fc.boolean(),
    isOpen: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(oneMember, { minLength: 1, maxLength: 4 }), flags, (members, rest) => {
      const what = seen(
        members.map(({ state, exitCode, policy, retries }, index) =>
          member(index === 0 ? 'root' : `m${index}`, {
            state,
            policy,
            retries,
            ...(state === 'running' && { pid: 7 }),
            ...(state === 'ended' && exitCode !== undefined && { exitCode }),
          }),
        ),
        rest,
      );
      const memory = remember(nothing, what, 0);
      const decision = decide(what, memory, 0);
      if (!rest.isWanted) expect(['none', 'settle', 'delete']).toContain(decision.act);
      if ('members' in decision) {
        const running = what.members.filter(({ state }) => state === 'running').map(({ id }) => id);
        expect(decision.members.filter(id => running.includes(id))).toEqual([]);
      }
      if (decision.lookAt !== undefined) {
        expect(decision.lookAt).toBeGreaterThan(0);
        expect(decide(what, memory, decision.lookAt).act).not.toBe('none');
      }
    }),
  );
});
