/** A command that changes the host starts itself a second time, with what the JIT is to be told (src/main.ts): nobody else is to notice. */
// containerd: once, since it takes no part in it
import { expect, test } from 'bun:test';
import { readFileSync, readlinkSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { binary, start } from './kuke.ts';

const VARIABLE = 'BUN_JSC_thresholdForJITAfterWarmUp';
const environment = (pid: number) => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');

test('it is the same process, with the same command line, environment and input', async () => {
  await output('mkfifo', '/root/manifest');
  const program = start(['apply', '-f', '-', '-f', '/root/manifest', '--run-path', '/opt/a b "ü"'], {
    stdin: 'kind: Nothing\n',
    env: { GIVEN: 'x=y z' },
  });
  const seen = await eventually(async () => {
    const variables = environment(program.pid);
    return variables.some(one => one.startsWith(VARIABLE)) ? variables : undefined;
  });
  expect(seen).toContain('GIVEN=x=y z');
  const line = readFileSync(`/proc/${program.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  expect(line).toEqual([binary, 'apply', '-f', '-', '-f', '/root/manifest', '--run-path', '/opt/a b "ü"']);
  expect(readlinkSync(`/proc/${program.pid}/exe`)).toBe(binary);
  await output('bash', '-c', "echo 'kind: Other' > /root/manifest"); // which waits for the reader
  expect(await program.exited).toBe(2);
  // Both were read: what came by the pipe was still there for the second.
  const said = await program.stderr.text();
  expect(said).toContain('stdin:1:1');
  expect(said).toContain('/root/manifest:1:1');
});
