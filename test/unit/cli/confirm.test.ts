/** What is asked at a terminal, however wide it says that it is. */
import { expect, test } from 'bun:test';
import { join } from 'node:path';

const program = `
  import { confirm } from '${join(import.meta.dir, '../../../src/cli/output/confirm.ts')}';
  const controller = new AbortController();
  process.on('SIGINT', () => controller.abort(new Error('called off')));
  const answer = await confirm('Remove all of it?', controller.signal).catch(error => error.message);
  console.log('answer: ' + answer);
  process.exit();`;

/** All that the terminal shows, when `typed` is typed after the question. */
async function shown(typed: string, size = { cols: 80, rows: 24 }): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  const whole = Promise.withResolvers<void>();
  const data = (terminal: Bun.Terminal, bytes: Uint8Array) => {
    const before = text;
    text += decoder.decode(bytes, { stream: true });
    if (!before.includes('[y/N] ') && text.includes('[y/N] ')) terminal.write(typed);
    if (/answer: [^\n]*\n/.test(text)) whole.resolve();
  };
  const asked = Bun.spawn([process.execPath, '-e', program], { terminal: { ...size, data } });
  await Promise.all([whole.promise, asked.exited]);
  asked.terminal?.close();
  return text.replaceAll('\r', '');
}

test.each([
  [0, 0],
  [1, 1],
  [80, 24],
])('the question is one line at %i columns', async (cols, rows) => {
  expect(await shown('y\n', { cols, rows })).toBe('Remove all of it? [y/N] y\nanswer: true\n');
});

test.each([
  ['yes\n', true],
  [' Y \n', true],
  ['\n', false],
  ['n\n', false],
  ['yesterday\n', false],
  ['\u0004', false],
])('%j is %p', async (typed, answer) => {
  expect(await shown(typed)).toEndWith(`\nanswer: ${answer}\n`);
});

test('Ctrl-C ends the asking', async () => {
  expect(await shown('\u0003')).toEndWith('\nanswer: called off\n');
});

test('without a terminal there is nobody to ask', () => {
  const { stdout } = Bun.spawnSync([process.execPath, '-e', program], { stdin: new TextEncoder().encode('y\n') });
  expect(stdout.toString()).toBe('answer: nobody to ask\n');
});
