import { describe, expect, test } from 'bun:test';
import { type AnyOperation, makeOperationRegistry } from '../../../src/kernel/operations.ts';

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
