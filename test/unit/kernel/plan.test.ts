import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { makeOperationRegistry } from '../../../src/kernel/operations.ts';
import { makePlan, type OnFailure, onDeath } from '../../../src/kernel/plan.ts';
import { pick, type Ref, referTo, resolveRefs, separate } from '../../../src/kernel/step-references.ts';

const ref = { kind: 'Cell', path: ['main', 'default', 'blog', 'web'] };

describe('a plan', () => {
  test('numbers its steps, and a reference makes a dependency', () => {
    const plan = makePlan('undo');
    const open = plan.add(ref, 'network.open', { path: '/run/netns/kuke-1' });
    const request = { name: 'n', configPath: '/etc', attachmentId: 'x', netns: '/run', interface: 'eth0' };
    const attach = plan.add(ref, 'network.attach', request, [open, undefined, open]);
    plan.add(ref, 'cgroup.create', { path: attach.result<string>('addresses', 0) }, [open]);
    expect(plan.steps.map(({ id, after, resource }) => [id, after, resource])).toEqual([
      ['1', [], 'cell main/default/blog/web'],
      ['2', ['1'], 'cell main/default/blog/web'],
      ['3', ['1', '2'], 'cell main/default/blog/web'],
    ]);
    expect(plan.steps[2]).toMatchObject({
      params: { path: null },
      refs: [{ at: ['path'], step: '2', path: ['addresses', 0] }],
    });
    expect(plan.steps[1]).not.toHaveProperty('refs');
  });

  test('never gives an id twice, also where a step has been taken out', () => {
    const plan = makePlan('undo');
    plan.add(ref, 'cgroup.create', { path: '/a' });
    plan.add(ref, 'cgroup.create', { path: '/b' });
    plan.steps.shift();
    plan.add(ref, 'cgroup.create', { path: '/c' });
    expect(plan.steps.map(({ id }) => id)).toEqual(['2', '3']);
  });

  test('is plain data, for the journal', () => {
    const plan = makePlan('undo');
    const first = plan.add(ref, 'cgroup.create', { path: '/kukeon' });
    plan.add(ref, 'cgroup.create', { path: first.result<string>('missing', 0) });
    expect(JSON.parse(JSON.stringify(plan.steps))).toEqual(plan.steps);
  });

  test.each<[OnFailure, OnFailure]>([
    ['undo', 'finish'],
    ['finish', 'finish'],
    ['goOn', 'goOn'],
  ])('a plan (%s) with a step that nothing brings back is journalled as %s', (onFailure, run) => {
    const operations = makeOperationRegistry();
    const rest = { apply: async () => undefined, explain: () => '' };
    operations.add({ type: 'network.open', ...rest });
    operations.add({ type: 'network.close', ...rest, irreversible: true });
    const plan = makePlan(onFailure);
    plan.add(ref, 'network.open', { path: '/run/netns/kuke-1' });
    expect(onDeath(plan, operations)).toBe(onFailure);
    plan.add(ref, 'network.close', { path: '/run/netns/kuke-1' });
    expect(onDeath(plan, operations)).toBe(run);
  });
});

describe('references', () => {
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  const reference = fc.constantFrom('1', '2').map(step => referTo(step, ['a', 0]));
  /** What the user may write, and was a reference once. */
  const lookalike = fc.record({ $ref: fc.string(), step: fc.string(), path: fc.constant(['a', 0]) });
  const key = fc.oneof(fc.string(), fc.constantFrom('$ref', 'step', 'path', '__proto__', 'constructor'));
  const { value } = fc.letrec<{ value: unknown }>(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      reference,
      lookalike,
      fc.array(tie('value')),
      fc.array(fc.tuple(key, tie('value'))).map(Object.fromEntries),
    ),
  }));

  /** The same by another way: every reference replaced where it stands. */
  function replaced(given: unknown, found: string): unknown {
    if (isOneOf(given)) return found;
    if (Array.isArray(given)) return given.map(item => replaced(item, found));
    if (typeof given !== 'object' || given === null) return given;
    return Object.fromEntries(Object.entries(given).map(([name, item]) => [name, replaced(item, found)]));
  }
  const isOneOf = (given: unknown): given is Ref => given instanceof referTo('1', []).constructor;

  test('are found and resolved at any depth, past the journal, and nothing else is touched', () => {
    fc.assert(
      fc.property(value, given => {
        const { params, refs } = JSON.parse(JSON.stringify(separate(given))) as ReturnType<typeof separate>;
        const resolved = resolveRefs(params, refs, ({ path }) => pick({ a: ['found'] }, path));
        expect(JSON.stringify(resolved)).toBe(JSON.stringify(replaced(given, 'found')));
      }),
    );
  });

  test('to what is not there are undefined', () => {
    expect(pick({ a: { b: [1] } }, ['a', 'b', 0])).toBe(1);
    for (const path of [['x'], ['a', 'x', 'y'], ['a', 'b', 7], ['a', 'b', 0, 'length']]) {
      expect(pick({ a: { b: [1] } }, path)).toBeUndefined();
    }
    expect(pick(undefined, ['a'])).toBeUndefined();
  });
});
