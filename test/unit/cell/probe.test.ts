/** Looking at a container by a program in it: what becomes of its output. */
import { expect, test } from 'bun:test';
import { fstatSync, statSync } from 'node:fs';
import { probeOnce } from '../../../plugins/cell/probe.ts';
import type { ExecParams, RuntimeBackend } from '../../../src/kernel/backends/index.ts';
import type { PluginKernel } from '../../../src/kernel/plugin.ts';
import { eventually } from '../../suites/contract.ts';

const ID = { namespace: 'kukeon-main', id: 'x' };

/** One that execs as `exec` does, and has nothing else. */
const kernelWith = (exec: RuntimeBackend['exec']) => ({ use: async () => ({ exec }) }) as unknown as PluginKernel;

const isNowhere = (fd: number): boolean => {
  try {
    return fstatSync(fd).rdev === statSync('/dev/null').rdev;
  } catch {
    return false;
  }
};

test('a program that takes too long is killed, and its output has somewhere to go until it has ended', async () => {
  const exited = Promise.withResolvers<number>();
  const signals: string[] = [];
  let given: ExecParams | undefined;
  const kernel = kernelWith(async params => {
    given = params;
    return { exited: exited.promise, signal: async name => void signals.push(name), resize: async () => {} };
  });
  const check = { exec: { command: ['hangs'] }, timeout: '10ms' };
  const result = await probeOnce(kernel, ID, undefined, check, new AbortController().signal);
  expect([result, signals]).toEqual([{ ok: false, message: 'no answer within 10 ms' }, ['SIGKILL']]);
  const { stdout = -1, stderr = -1 } = given ?? {};
  // The runtime may still be at it: a number that is closed is the next file's.
  expect([isNowhere(stdout), isNowhere(stderr)]).toEqual([true, true]);
  exited.resolve(137);
  await eventually(async () => !isNowhere(stdout) || undefined);
});

test('of one that cannot be run nothing is left open', async () => {
  let stdout = -1;
  const kernel = kernelWith(async params => {
    ({ stdout } = params);
    throw new Error('no such program');
  });
  const result = await probeOnce(kernel, ID, undefined, { exec: { command: ['none'] } }, new AbortController().signal);
  expect([result.ok, result.message, isNowhere(stdout)]).toEqual([false, 'no such program', false]);
});
