/** What is told on stderr, and by which level. */
import { expect, test } from 'bun:test';

const LOG = `${import.meta.dir}/../../../src/cli/output/log.ts`;

/** What a program tells that has `log` and `beVerbose`. */
function told(program: string): string {
  const code = `import { beVerbose, log } from ${JSON.stringify(LOG)}; ${program}`;
  const { stderr, stdout } = Bun.spawnSync(['bun', '-e', code], { env: { ...process.env, NO_COLOR: '1' } });
  expect(stdout.toString()).toBe('');
  return stderr.toString();
}

test('errors and warnings are named, notices are not', () => {
  expect(told(`log.error('a'); log.warn('b'); log.info('c')`)).toBe('error: a\nwarning: b\nc\n');
});

test('steps are told to who asks for them', () => {
  expect(told(`log.debug('a'); beVerbose(); log.debug('b')`)).toBe('b\n');
});

test('what is said often is said as often, at once', () => {
  expect(told(`for (let i = 0; i < 20; i++) log.warn('again'); process.kill(process.pid, 'SIGKILL')`)).toBe(
    'warning: again\n'.repeat(20),
  );
});

test('what steers a terminal is spelled out', () => {
  expect(told(`log.warn('a\\u001b[2Jb')`)).toBe('warning: a\\x1b[2Jb\n');
});
