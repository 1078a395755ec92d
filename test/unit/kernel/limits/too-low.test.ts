/** A start that comes to nothing for a limit: the field, the level, and what the status says of it afterwards. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { KukeError } from '../../../../src/kernel/errors.ts';
import { cellRef } from '../kernel-on-fakes.ts';
import { cell, type Limited, leaf, limited, main, START, STOP, side, space, stack, to, told, web } from './limited.ts';

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
  await kuke.put(stack, { resources: { memory: { limit: '2Mi' } } });
  await kuke.put(space, { defaults: { container: { resources: { memory: { limit: '4Ki' } } } } });
  await kuke.put(web, { containers: [main({ resources: { pids: { limit: 1 } } }), side()] });
  await kuke.change(cellRef('web'), to('stopped'), STOP);
});

const failing = (nth: number | 'every' = 1, code: 'RuntimeFailed' | 'CommandNotFound' = 'RuntimeFailed') =>
  kuke.host.faults.fail('runtime.start', new KukeError(code, 'EOF'), { nth });
const start = async () => {
  const [outcome] = await kuke.change(cellRef('web'), to('running'), START);
  if (outcome === undefined) throw new Error('no outcome');
  return outcome;
};

describe('names the field and the level whose limit it was', () => {
  test.each([
    ['its own', 1, leaf(), 'pids.limit', 'spec.containers[main].resources.pids.limit (1)'],
    [
      'what its space gives',
      2,
      leaf('side'),
      'memory.limit',
      'spec.defaults.container.resources.memory.limit of space main/default (4Ki)',
    ],
    [
      'a level’s above',
      1,
      stack.group,
      'memory.limit',
      'spec.resources.memory.limit of stack main/default/default (2Mi)',
    ],
    ['a level’s that has it by hand', 1, web.group, 'pids.limit', 'pids.limit of cell main/default/default/web'],
    ['init’s', 1, '/kukeon', 'memory.limit', 'memory.limit of all that kuke runs'],
  ] as const)('%s', async (_, nth, path, field, words) => {
    failing(nth);
    kuke.host.limitHit = { path, field };
    const { error } = await start();
    expect(error).toMatchObject({ code: 'LimitTooLow', exitCode: 1 });
    expect(error?.summary).toBe(
      `cell main/default/default/web: runtime.start: ${words} is too low to start it: EOF (raise that limit, or lift it)`,
    );
  });

  test('and none where it was no limit’s fault', async () => {
    failing();
    expect((await start()).error).toMatchObject({ code: 'RuntimeFailed', message: 'EOF' });
    kuke.host.limitHit = { path: leaf(), field: 'pids.limit' };
    failing(1, 'CommandNotFound');
    expect((await start()).error).toMatchObject({ code: 'CommandNotFound', message: 'EOF' });
  });
});

/** Of a cell of which there is nothing yet: its containers are made ready, which starts all of them but their programs. */
describe('at a first start', () => {
  const first = { containers: [main({ resources: { pids: { limit: 2 } } }), side()] };
  const fresh = cell('fresh');

  test.each([
    ['runtime.create', 1, leaf('fresh_root', 'fresh'), 'pids.limit', 'spec.containers[main].resources.pids.limit (2)'],
    ['runtime.create', 2, fresh.group, 'pids.limit', 'pids.limit of cell main/default/default/fresh'],
    ['runtime.start', 1, leaf('fresh_root', 'fresh'), 'pids.limit', 'spec.containers[main].resources.pids.limit (2)'],
    [
      'runtime.start',
      2,
      leaf('side', 'fresh'),
      'memory.limit',
      'spec.defaults.container.resources.memory.limit of space main/default (4Ki)',
    ],
  ] as const)(
    '%s of container %d names the field and the level, and leaves nothing',
    async (step, nth, path, field, words) => {
      const before = [kuke.host.inventory(), [...kuke.host.cgroups.keys()]];
      kuke.host.faults.fail(step, new KukeError('RuntimeFailed', 'EOF'), { nth });
      kuke.host.limitHit = { path, field };
      const { error } = await kuke.put(fresh, first);
      expect(error).toMatchObject({ code: 'LimitTooLow', exitCode: 1 });
      expect(error?.summary).toBe(
        `cell main/default/default/fresh: ${step}: ${words} is too low to start it: EOF (raise that limit, or lift it)`,
      );
      expect([kuke.host.inventory(), [...kuke.host.cgroups.keys()]]).toEqual(before);
    },
  );

  test('of an init container, too', async () => {
    const initContainers = [side({ id: 'prepare', resources: { pids: { limit: 2 } } })];
    failing();
    kuke.host.limitHit = { path: leaf('prepare', 'fresh'), field: 'pids.limit' };
    expect(told(await kuke.put(fresh, { ...first, initContainers }))).toContain(
      ': spec.initContainers[prepare].resources.pids.limit (2) is too low to start it: EOF',
    );
  });

  test('and another fault is told as it is', async () => {
    kuke.host.faults.fail('runtime.create', new KukeError('RuntimeFailed', 'EOF'));
    expect((await kuke.put(fresh, first)).error).toMatchObject({ code: 'RuntimeFailed', message: 'EOF' });
  });
});

describe('the status', () => {
  const failed = {
    state: 'Failed',
    reason: 'LimitTooLow',
    message: expect.stringContaining('it could not be started: spec'),
  };

  beforeEach(async () => {
    failing();
    kuke.host.limitHit = { path: leaf(), field: 'pids.limit' };
    await start();
  });

  test('says why, also to a later command and after others', async () => {
    expect(await kuke.status(web)).toMatchObject(failed);
    kuke = await limited(await kuke.another());
    await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
    expect(await kuke.status(web)).toMatchObject(failed);
  });

  test('forgets it when the cell starts', async () => {
    expect(told(await start())).toBe('updated');
    expect(await kuke.status(web)).toMatchObject({ state: 'Ready' });
    expect(await kuke.status(web)).not.toHaveProperty('lastFailure');
  });

  test('forgets it when the cell is to be stopped, which it is', async () => {
    expect((await kuke.change(cellRef('web'), to('stopped'), STOP)).map(told)).toEqual(['unchanged']);
    expect(await kuke.status(web)).toMatchObject({ state: 'Stopped', reason: 'Requested' });
    expect(await kuke.status(web)).not.toHaveProperty('lastFailure');
  });
});
