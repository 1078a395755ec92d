import { expect, test } from 'bun:test';
import { signalNumber } from '../../../../plugins/containerd-shim/runtime/signals.ts';

test.each([
  ['SIGTERM', 15],
  ['TERM', 15],
  ['sigquit', 3],
  ['9', 9],
  ['64', 64],
  ['SIGRTMIN', 34],
  ['SIGRTMIN+3', 37],
  ['RTMAX-1', 63],
])('%s is %d', (text, number) => {
  expect(signalNumber(text)).toBe(number);
});

test.each(['', 'SIG', 'SIGNONSENSE', '0', '65', '-9', '9.5', 'RTMIN-1', 'RTMAX+1', 'toString', 'RTMIN+99'])(
  '%j is none',
  text => {
    expect(() => signalNumber(text)).toThrow(expect.objectContaining({ code: 'InvalidManifest' }));
  },
);
