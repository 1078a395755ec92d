import { expect, test } from 'bun:test';
import { join } from 'node:path';

const MODULE = join(import.meta.dir, '../../../src/kernel/watchdog.ts');

/** What is told of a process that is held up for so long (milliseconds) in a call that was watched second, and how it ends. */
function heldUp(firstLimitMs: number, secondLimitMs: number): { stderr: string; signalCode: unknown } {
  const script = `
    const { watch } = await import(${JSON.stringify(MODULE)});
    watch('the first', ${firstLimitMs})();
    const over = watch('the second', ${secondLimitMs});
    Bun.sleepSync(1000);
    over();`;
  const { stderr, signalCode } = Bun.spawnSync([process.execPath, '-e', script]);
  return { stderr: String(stderr), signalCode };
}

/** Short, for the watchdog's patience comes on top of it. */
const SHORT = -1900;

test('a call is given its own time, whatever the first one of the process had', () => {
  expect(heldUp(SHORT, 60_000)).toEqual({ stderr: '', signalCode: undefined });
  expect(heldUp(60_000, SHORT)).toEqual({
    stderr: expect.stringContaining('error: the second: it loops'),
    signalCode: 'SIGKILL',
  });
});

test('calls that begin and end while it looks are not taken for one that loops', () => {
  const script = `
    const { watch } = await import(${JSON.stringify(MODULE)});
    const until = performance.now() + 1000;
    while (performance.now() < until) watch('a call', 60_000)();`;
  const { stderr, signalCode } = Bun.spawnSync([process.execPath, '-e', script]);
  expect({ stderr: String(stderr), signalCode }).toEqual({ stderr: '', signalCode: undefined });
});
