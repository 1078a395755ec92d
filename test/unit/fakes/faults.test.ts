import { beforeEach, describe, expect, test } from 'bun:test';
import { KukeError } from '../../../src/kernel/errors.ts';
import { fakeCgroup } from '../../fakes/cgroup.ts';
import { type FakeHost, makeHost } from '../../fakes/index.ts';
import { fakeStore } from '../../fakes/store.ts';
import { context, failure } from '../../suites/contract.ts';

const broken = () => new KukeError('CgroupFailed', 'no space left on device');
/** Whether `work` is still under way after everything else had its turn. */
const hangs = async (work: Promise<unknown>) =>
  (await Promise.race([work.then(() => 'done'), Bun.sleep(20).then(() => 'hangs')])) === 'hangs';

describe('faults of the fakes', () => {
  let host: FakeHost;
  const create = (path: string, signal?: AbortSignal) => fakeCgroup(host).create({ path }, context(signal));
  beforeEach(() => {
    host = makeHost();
  });

  test('fail the nth call, before or after its effect', async () => {
    host.faults.fail('cgroup.create', broken(), { nth: 2 });
    await create('/kukeon');
    await failure(create('/kukeon/a'), 'CgroupFailed');
    expect(host.inventory()).toEqual(['cgroup /kukeon']);
    host.faults.fail('cgroup.create', broken(), { after: true });
    await failure(create('/kukeon/a'), 'CgroupFailed');
    expect(host.inventory()).toEqual(['cgroup /kukeon', 'cgroup /kukeon/a']);
    await create('/kukeon/b');
    expect(host.calls.map(call => call.state)).toEqual(['done', 'failed', 'failed', 'done']);
  });

  test('fail every call until they are cleared', async () => {
    host.faults.fail('cgroup.create', broken(), { nth: 'every' });
    for (let i = 0; i < 3; i++) await failure(create('/kukeon'), 'CgroupFailed');
    host.faults.clear();
    await create('/kukeon');
  });

  test('hang until aborted, or for good', async () => {
    host.faults.hang('cgroup.create');
    const abort = new AbortController();
    const work = create('/kukeon', abort.signal);
    abort.abort(new KukeError('TimedOut', 'no answer'));
    await failure(work, 'TimedOut');
    host.faults.hang('cgroup.create', { deaf: true });
    const gone = create('/kukeon', AbortSignal.timeout(1));
    expect(await hangs(gone)).toBe(true);
  });

  test('hold a call until it is let go', async () => {
    const pause = host.faults.pause('cgroup.create');
    const work = create('/kukeon');
    await pause.reached;
    expect(host.inventory()).toEqual([]);
    pause.resume();
    await work;
    expect(host.inventory()).toEqual(['cgroup /kukeon']);
  });

  test('crash the process: nothing that it began answers again, and its lock is free', async () => {
    const before = { cgroup: fakeCgroup(host), store: fakeStore(host) };
    const lock = () => ({ command: 'kuke', timeoutMs: 0, signal: new AbortController().signal, onWait: () => {} });
    const held = await before.store.lock(lock());
    const crashed = host.faults.crash('cgroup.create', { after: true });
    const work = before.cgroup.create({ path: '/kukeon' }, context());
    await crashed;
    expect(await hangs(work)).toBe(true);
    expect(await hangs(before.cgroup.create({ path: '/kukeon/x' }, context()))).toBe(true);
    expect(await hangs(before.store.list())).toBe(true);
    host.restart();
    await fakeStore(host).lock(lock());
    await held.release();
    await failure(fakeStore(host).lock(lock()), 'Locked');
    expect(host.inventory()).toEqual(['cgroup /kukeon']);
  });
});
