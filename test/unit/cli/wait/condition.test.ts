import { describe, expect, test } from 'bun:test';
import { parseCondition, refuseNoState } from '../../../../src/cli/wait/condition.ts';
import type { Resource } from '../../../../src/kernel/kinds.ts';

const seen = (status: Record<string, unknown>, spec: Record<string, unknown> = {}) =>
  ({ manifest: { status, spec } }) as unknown as Resource;

test('a state, in any case, with or without kubectl’s condition=', () => {
  for (const text of ['Ready', 'ready', 'condition=Ready']) {
    const { isMet } = parseCondition(text);
    expect(isMet(seen({ state: 'Ready' }))).toBeTrue();
    expect(isMet(seen({ state: 'Pending' }))).toBeFalse();
    expect(isMet(seen({}))).toBeFalse();
    expect(isMet(undefined)).toBeFalse();
  }
});

test('delete: that it is not there', () => {
  const { isMet, isAbsence } = parseCondition('delete');
  expect({ gone: isMet(undefined), there: isMet(seen({ state: 'Ready' })), isAbsence }).toEqual({
    gone: true,
    there: false,
    isAbsence: true,
  });
});

describe('jsonpath', () => {
  const status = {
    state: 'Ready',
    containers: [
      { id: 'main', restarts: 3 },
      { id: 'side', restarts: 0 },
    ],
  };
  test.each([
    ['jsonpath={.status.state}=Ready', true],
    ['jsonpath={.status.state}=Stopped', false],
    ['jsonpath=.status.state=Ready', true],
    ['jsonpath=.status.containers[0].restarts=3', true],
    ['jsonpath={.status.containers[?(@.id=="side")].restarts}=0', true],
    ['jsonpath=.status.containers[?(@.id=="side")].restarts=3', false],
    ['jsonpath={.status.reason}', false],
    ['jsonpath={.status.state}', true],
    ['jsonpath={.status.state}=', false],
  ])('%s: %p', (text, isMet) => expect(parseCondition(text).isMet(seen(status))).toBe(isMet));

  test('a path that is none is refused', () => {
    expect(() => parseCondition('jsonpath={.status')).toThrow('--for');
  });
});

test.each(['', 'Ready now', 'status=', '7', 'jsonpath='])('%p is refused', text =>
  expect(() => parseCondition(text)).toThrow('is nothing that can be waited for'),
);

test('a state that none of its kind is ever in is refused, with the nearest one', () => {
  const kind = { kind: 'Cell', states: ['Ready', 'Stopped'] };
  for (const text of ['ready', 'condition=Stopped', 'delete', 'jsonpath=.status.state=Foo'])
    expect(() => refuseNoState(parseCondition(text), kind)).not.toThrow();
  expect(() => refuseNoState(parseCondition('reday'), kind)).toThrow('is ever `reday`; did you mean `Ready`?');
  expect(() => refuseNoState(parseCondition('Running'), kind)).toThrow('no cell is ever `Running`');
  expect(() => refuseNoState(parseCondition('Running'), { kind: 'Thing' })).not.toThrow();
});
