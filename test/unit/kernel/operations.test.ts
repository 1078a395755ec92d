import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  type AnyOperation,
  makeOperationRegistry,
  pick,
  referencedSteps,
  resolveRefs,
} from '../../../src/kernel/operations.ts';
import { makePlan } from '../../../src/kernel/plan.ts';

const ref = { kind: 'Cell', path: ['main', 'default', 'blog', 'web'] };

describe('a plan', () => {
  test('numbers its steps, and a reference makes a dependency', () => {
    const plan = makePlan('create');
    const open = plan.add(ref, 'network.open', { path: '/run/netns/kuke-1' });
    const request = { name: 'n', configPath: '/etc', attachmentId: 'x', netns: '/run', interface: 'eth0' };
    const attach = plan.add(ref, 'network.attach', request, [open, undefined, open]);
    plan.add(ref, 'cgroup.create', { path: attach.result<string>('addresses', 0) }, [open]);
    expect(plan.steps.map(({ id, after, resource }) => [id, after, resource])).toEqual([
      ['1', [], 'cell main/default/blog/web'],
      ['2', ['1'], 'cell main/default/blog/web'],
      ['3', ['1', '2'], 'cell main/default/blog/web'],
    ]);
    expect(plan.steps[2]?.params).toEqual({ path: { $ref: '2', path: ['addresses', 0] } });
  });

  test('is plain data, for the journal', () => {
    const plan = makePlan('create');
    const first = plan.add(ref, 'cgroup.create', { path: '/kukeon' });
    plan.add(ref, 'cgroup.create', { path: first.result<string>('missing', 0) });
    expect(JSON.parse(JSON.stringify(plan.steps))).toEqual(plan.steps);
  });
});

describe('references', () => {
  test('are found and resolved at any depth, and nothing else is touched', () => {
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
    const reference = fc.record({ $ref: fc.constantFrom('1', '2'), path: fc.constant(['a', 0]) });
    const { value } = fc.letrec<{ value: unknown }>(tie => ({
      value: fc.oneof(
        { maxDepth: 3 },
        leaf,
        reference,
        fc.array(tie('value')),
        fc.dictionary(fc.string(), tie('value')),
      ),
    }));
    const count = (given: unknown): number => JSON.stringify(given).split('{"$ref":"').length - 1;
    fc.assert(
      fc.property(value, params => {
        const seen: string[] = [];
        const resolved = resolveRefs(params, ({ $ref, path }) => {
          seen.push($ref);
          return pick({ a: ['found'] }, path);
        });
        expect(seen).toEqual(referencedSteps(params));
        expect(seen).toHaveLength(count(params));
        expect(count(resolved)).toBe(0);
        if (seen.length === 0) expect(resolved).toEqual(structuredClone(params));
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

describe('the registry of operations', () => {
  const operation: AnyOperation = { type: 'test.do', apply: async () => 'done', explain: () => 'true' };

  test('keeps one a type, and gives back a way to take it out', () => {
    const registry = makeOperationRegistry();
    const remove = registry.add(operation);
    expect(registry.get('test.do')).toBe(operation);
    expect(() => registry.add(operation)).toThrow('test.do is registered twice');
    remove();
    expect(registry.find('test.do')).toBeUndefined();
  });

  test('says what to do about a plan whose plugin is gone', () => {
    expect(() => makeOperationRegistry().get('greeting.write')).toThrow(
      'no plugin provides the operation greeting.write',
    );
  });
});
