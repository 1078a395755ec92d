/** Values that an administrator wrote: told by whoever asks for something else, and lifted by whoever asks for that. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { diagnose } from '../../../../src/kernel/doctor.ts';
import { makeJournal } from '../../../../src/kernel/journal.ts';
import type { PlanOptions } from '../../../../src/kernel/planning.ts';
import { cellRef } from '../kernel-on-fakes.ts';
import {
  type Limited,
  leaf,
  levels,
  limited,
  MI,
  main,
  memory,
  of,
  STOP,
  STRICT,
  side,
  to,
  told,
  web,
} from './limited.ts';

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
});

const lifting = (kind: string, path: string[], ...fields: string[]): PlanOptions => ({
  verb: 'limit',
  stopTimeoutMs: undefined,
  lifted: { ref: { kind, path }, fields },
});
const notInForce = (field: string, file: string) =>
  `${field} (512Mi) is not in force: ${file} was set by hand to 300Mi, which stays until another value is asked for`;

describe.each(levels)('of a %s', (_, level) => {
  beforeEach(async () => {
    await kuke.put(level, memory('512Mi'));
    kuke.write(level.group, 'memory.limit', 300 * MI);
  });

  test('are told of by each apply, and refused with --strict', async () => {
    const same = await kuke.put(level, memory('512Mi'));
    expect([told(same), same.notes]).toEqual(['unchanged', [notInForce('spec.resources.memory.limit', 'memory.max')]]);
    const calls = kuke.host.calls.length;
    expect((await kuke.put(level, memory('512Mi'), STRICT)).error).toMatchObject({
      code: 'HostNotReady',
      message: 'spec.resources.memory.limit (512Mi) is not in force: memory.max was set by hand to 300Mi',
      details: { field: 'spec.resources.memory.limit' },
    });
    expect(kuke.host.calls.slice(calls)).toEqual([]);
    expect((await kuke.put(level, memory('1Gi'), STRICT)).result).toBe('updated');
  });

  test('stay when the manifest does not ask any more, which is told once', async () => {
    expect((await kuke.put(level)).notes).toEqual([
      'memory.limit stays 300Mi: memory.max was set by hand; `kuke set resources` with `none` lifts it',
    ]);
    expect(kuke.values(level.group)).toEqual({ 'memory.limit': 300 * MI });
    expect((await kuke.put(level)).notes).toEqual([]);
  });

  test.each([
    ['at once', memory('512Mi')],
    ['after the manifest has gone without', {}],
  ])('are lifted by who asks for that, %s', async (_when, before) => {
    await kuke.put(level, before);
    const lifted = await kuke.put(level, {}, lifting(level.kind, level.path, 'memory.limit'));
    expect([told(lifted), lifted.notes]).toEqual(['updated', []]);
    expect(kuke.values(level.group)).toEqual({});
    expect(await kuke.status(level)).not.toHaveProperty('resources');
    expect(told(await kuke.put(level, {}, lifting(level.kind, level.path, 'memory.limit')))).toBe('unchanged');
  });

  test('of another field, or of another resource, stay', async () => {
    await kuke.put(level, {}, lifting(level.kind, level.path, 'cpu.limit', 'memory.high'));
    await kuke.put(level, {}, lifting(level.kind, [...level.path.slice(0, -1), 'other'], 'memory.limit'));
    expect(kuke.values(level.group)).toEqual({ 'memory.limit': 300 * MI });
  });

  test('are no fault to doctor', async () => {
    const found = async () =>
      (await diagnose(kuke.kernel, makeJournal(kuke.kernel.settings.runPath))).filter(
        ({ code }) => code === 'LimitByHand',
      );
    expect(await found()).toMatchObject([
      { level: 'warning', what: expect.stringContaining('it is 300Mi, and not 512Mi') },
    ]);
    await kuke.put(level);
    expect(await found()).toMatchObject([
      { level: 'ok', what: expect.stringMatching(/memory\.limit of .* was set by hand .*: it is 300Mi$/) },
    ]);
  });
});

describe('of a container', () => {
  const spec = of(main(memory('512Mi')), side());
  beforeEach(async () => {
    await kuke.put(web, spec);
    kuke.write(leaf(), 'memory.limit', 300 * MI);
  });

  test('are told of by its id', async () => {
    expect((await kuke.put(web, spec)).notes).toEqual([
      notInForce('spec.containers[main].resources.memory.limit', 'memory.max of `main`'),
    ]);
    expect((await kuke.put(web, spec, STRICT)).error?.code).toBe('HostNotReady');
  });

  test('are lifted for it alone', async () => {
    kuke.write(leaf('side'), 'memory.limit', 300 * MI);
    const path = [...web.path, 'MAIN'];
    expect((await kuke.put(web, of(main(), side()), lifting('Container', path, 'memory'))).notes).toEqual([]);
    expect([kuke.values(leaf()), kuke.values(leaf('side'))]).toEqual([{}, { 'memory.limit': 300 * MI }]);
  });

  test('are not what it has once it has ended: that is what its next start gives it', async () => {
    kuke.write(leaf(), 'pids.limit', 5);
    await kuke.change(cellRef('web'), to('stopped'), STOP);
    expect((await kuke.contained('main')).resources).toEqual([{ field: 'memory.limit', value: '512Mi', from: 'spec' }]);
    await kuke.put(web, { ...of(main(), side()), desiredState: 'stopped' });
    expect(await kuke.contained('main')).not.toHaveProperty('resources');
  });

  test('hold nobody up once it has ended, or is made anew', async () => {
    expect((await kuke.put(web, of(main({ ...memory('512Mi'), env: ['A=1'] }), side()))).notes).toEqual([
      '`main` starts with the limits of its manifest: memory.limit was 300Mi by hand',
    ]);
    kuke.write(leaf(), 'memory.limit', 300 * MI);
    await kuke.change(cellRef('web'), to('stopped'), STOP);
    expect((await kuke.put(web, { ...spec, desiredState: 'stopped' }, STRICT)).error).toBeUndefined();
  });
});

test('what is given for those below is given again where somebody asks for it', async () => {
  const { group } = levels[0]?.[1] ?? web;
  await kuke.put(web, { resources: { memory: { reservation: '64Mi' } } });
  kuke.write(group, 'memory.reservation', 16 * MI);
  expect((await kuke.put(web, { resources: { memory: { reservation: '64Mi' } } }, STRICT)).error?.code).toBe(
    'HostNotReady',
  );
  await kuke.put(levels[0]?.[1] ?? web, {}, lifting('Realm', ['main'], 'memory.reservation'));
  expect(kuke.values(group)).toEqual({ 'memory.reservation': 64 * MI });
});
