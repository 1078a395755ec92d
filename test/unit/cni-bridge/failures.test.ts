import { describe, expect, test } from 'bun:test';
import { networkFailure, tearDown } from '../../../plugins/cni-bridge/failures.ts';
import { renameLink } from '../../../plugins/cni-bridge/regenerate.ts';
import { CniError, type CniFailure } from '../../../src/cni/errors.ts';
import { errnoOf, SystemError } from '../../../src/host/errno.ts';
import type { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { KukeError } from '../../../src/kernel/errors.ts';

const cni = (failure: Partial<CniFailure>, also: CniError[] = []) =>
  new CniError({ reason: 'plugin-error', command: 'ADD', network: 'n', plugin: 'bridge', msg: 'no', ...failure }, also);

describe('a failure of CNI', () => {
  test.each([
    [{ reason: 'plugin-error', code: 123 }, 'NetworkFailed', undefined],
    [{ reason: 'not-found', remedy: 'install it' }, 'HostNotReady', 'install it'],
    [{ reason: 'timed-out' }, 'TimedOut', 'pluginTimeoutSeconds'],
    [{ reason: 'aborted' }, 'Cancelled', undefined],
    [{ reason: 'bad-output' }, 'NetworkFailed', 'does not speak CNI'],
    [{ code: 11 }, 'NetworkFailed', 'try again'],
    [{ msg: 'no IP addresses available in range set' }, 'NetworkFailed', 'larger range'],
    [{ code: 999, msg: 'could not add "x": numerical result out of range' }, 'NetworkFailed', '--force-regenerate-cni'],
  ] as const)('%j is %s', (failure, code, remedy) => {
    const error = networkFailure(cni(failure), 'attach');
    expect(error.code).toBe(code);
    expect(error.details.step).toBe('attach');
    expect(error.message).toContain('CNI ADD, network n, plugin bridge: ');
    if (remedy === undefined) expect(error.details.remedy).toBeUndefined();
    else expect(error.remedy).toContain(remedy);
  });

  test('carries what failed while it was undone, once', () => {
    const error = networkFailure(cni({}, [cni({ command: 'DEL', msg: 'nor this' })]), 'attach');
    expect(error.message).not.toContain('nor this');
    expect(error.also.map(({ message }) => message)).toEqual(['CNI DEL, network n, plugin bridge: nor this']);
  });

  test('for want of root says so', () => {
    const refused = new SystemError('list tables', errnoOf('EPERM'), 'Operation not permitted');
    expect(networkFailure(refused, 'observe', false)).toMatchObject({ code: 'NotRoot' });
    expect(networkFailure(refused, 'observe', true)).toMatchObject({ code: 'NetworkFailed' });
  });

  test('one that is a KukeError already stays it', () => {
    const conflict = new KukeError('Conflict', 'in the way');
    expect(networkFailure(conflict, 'attach')).toMatchObject({ code: 'Conflict', message: 'in the way' });
  });
});

describe('a teardown', () => {
  test('goes on after a failure and tells all', async () => {
    const done: string[] = [];
    const fail = (name: string) => () => {
      done.push(name);
      throw new Error(name);
    };
    const outcome = await tearDown({ a: fail('one'), b: () => done.push('two'), c: fail('three') }).catch(
      (error: unknown) => error,
    );
    expect(done).toEqual(['one', 'two', 'three']);
    if (!(outcome instanceof KukeError)) throw outcome;
    expect([outcome, ...outcome.also].map(({ details, message }) => [details.step, message])).toEqual([
      ['a', 'one'],
      ['c', 'three'],
    ]);
  });

  test('of which nothing fails is quiet', async () => {
    expect(await tearDown({ a: () => {}, b: async () => 1 })).toBeUndefined();
  });
});

describe('renaming a link', () => {
  /** A kernel that answers each change of a link as it is told. */
  const kernel = (answers: (string | undefined)[]) => {
    const asked: object[] = [];
    const request = ({
      value: { name, flags, change },
    }: {
      value: { name?: string; flags?: number; change?: number };
    }) => {
      asked.push({ ...(name !== undefined && { name }), ...(change && { up: flags === 1 }) });
      const answer = answers.shift();
      if (answer !== undefined) throw new SystemError('set link 5', errnoOf(answer), 'refused');
    };
    return { asked, socket: { request } as unknown as NetlinkSocket };
  };

  test('takes it down for a moment where the kernel wants that', () => {
    const { asked, socket } = kernel(['EBUSY']);
    renameLink(socket, 5, 'br');
    expect(asked).toEqual([{ name: 'br' }, { up: false }, { name: 'br' }, { up: true }]);
  });

  test('puts it up again when it is refused after all', () => {
    const { asked, socket } = kernel(['EBUSY', undefined, 'EEXIST']);
    expect(() => renameLink(socket, 5, 'br')).toThrow('EEXIST');
    expect(asked.at(-1)).toEqual({ up: true });
  });

  test('is tried once where the kernel has another reason', () => {
    const { asked, socket } = kernel(['EEXIST']);
    expect(() => renameLink(socket, 5, 'br')).toThrow('EEXIST');
    expect(asked).toHaveLength(1);
  });
});
