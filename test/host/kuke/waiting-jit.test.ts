/** What the JIT is told (build.ts, src/main.ts): by the compiled program's own report of what it has compiled. */
// containerd: once, since it takes no part in it
import { expect, test } from 'bun:test';
import { start } from './kuke.ts';

test.each([
  ['of a command that is soon over it compiles nothing', ['doctor'], false],
  ['of others what is run often, as ever', ['schema', 'cell'], true],
])('%s', async (_, command, compiles) => {
  const program = start(command, { env: { BUN_JSC_reportBaselineCompileTimes: '1' } });
  const [stdout, stderr] = await Promise.all([program.stdout.text(), program.stderr.text()]);
  await program.exited;
  expect(stdout).not.toBe('');
  expect(`${stdout}${stderr}`.includes('using Baseline')).toBe(compiles);
});
