import { describe, expect, test } from 'bun:test';
import { asCgroupError, throwIfAborted } from '../../../plugins/cgroup-v2/errors.ts';
import { errnoOf } from '../../../src/host/errno.ts';
import { systemError } from '../../../src/host/libc.ts';
import { KukeError } from '../../../src/kernel/errors.ts';

const system = (code: string) => systemError('mkdir', errnoOf(code), '/sys/fs/cgroup/kukeon');

describe('an error', () => {
  test.each([
    ['ENOENT', 'CgroupFailed', 1],
    ['EAGAIN', 'CgroupFailed', 1],
    ['EROFS', 'HostNotReady', 5],
  ] as const)('%s of the kernel is %s, in the words of the kernel', (code, expected, exit) => {
    const error = asCgroupError(system(code));
    expect([error.code, error.exitCode]).toEqual([expected, exit]);
    expect(error.message).toStartWith('mkdir /sys/fs/cgroup/kukeon: ');
    expect(error.message).toEndWith(`(${code})`);
  });

  test('that is several is the first, with the others in `also`', () => {
    const error = asCgroupError(
      new AggregateError([system('EBUSY'), new AggregateError([system('EROFS'), system('EIO')])]),
    );
    expect(error.message).toContain('EBUSY');
    expect(error.also.map(({ code }) => code)).toEqual(['HostNotReady']);
    expect(error.also[0]?.also.map(({ message }) => message)).toEqual([expect.stringContaining('EIO')]);
  });

  test('of kuke stays what it is', () => {
    const error = new KukeError('Conflict', 'taken');
    expect(asCgroupError(error)).toBe(error);
  });

  test('by a signal is its reason if that is of kuke, else Cancelled', () => {
    const timedOut = new KukeError('TimedOut', 'too late');
    expect(() => throwIfAborted(AbortSignal.abort(timedOut))).toThrow(timedOut);
    expect(() => throwIfAborted(AbortSignal.abort())).toThrow(KukeError);
    expect(throwIfAborted(new AbortController().signal)).toBeUndefined();
  });
});
