import { expect, test } from 'bun:test';
import { join } from 'node:path';

/** What is told of a process that is held up for so long (milliseconds) in a call that was watched second, and how it ends. */
function heldUp(firstLimitMs: number, secondLimitMs: number): { stderr: string; signalCode: unknown } {
  const script = `
    const { watch } = await import(${JSON.stringify(join(import.meta.dir, '../../../src/kernel/watchdog.ts'))});
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
