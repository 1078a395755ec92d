import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run } from '../../runner/job.ts';

const folder = '.cache/test-of-the-runner';
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync('.cache/test/runner', { recursive: true });
});

/** Runs a test file with this content, as the runner runs a host test, without the box. */
function outcomeOf(content: string, limit = 20): Promise<Outcome> {
  const file = `${folder}/tried.test.ts`;
  writeFileSync(file, `import { beforeAll, describe, expect, test } from 'bun:test';\n${content}`);
  return run({ name: 'runner/tried', command: ['bun', 'test', `./${file}`], testFiles: [file], limit });
}

test('passing tests are counted, and their output is kept', async () => {
  const outcome = await outcomeOf(
    `test('a', () => { console.log('seen'); }); describe('b', () => test.each([1, 2])('%p <"&>', () => {}));`,
  );
  expect(outcome).toMatchObject({ passed: 3, failed: 0, problems: [] });
  expect(readFileSync(join(outcome.artifacts, 'output.txt'), 'utf8')).toContain('seen');
});

test('a failing test is one failure, and the others count', async () => {
  expect(await outcomeOf(`test('a', () => {}); test('b', () => expect(1).toBe(2));`)).toMatchObject({
    passed: 1,
    failed: 1,
    problems: [],
  });
});

// The words are put together, since the tree may hold no such test.
test.each(['skip', 'todo'])('a test that is marked %s is a failure', async mark => {
  expect(await outcomeOf(`test('a', () => {}); test.${mark}('b', () => {});`)).toMatchObject({
    passed: 1,
    failed: 1,
    problems: ['skipped: b'],
  });
});

test('a test that shuts out the others is a failure', async () => {
  expect(await outcomeOf(`test('a', () => {}); test.${'only'}('b', () => {});`)).toMatchObject({
    passed: 0,
    failed: 1,
    problems: ['no report: it crashed, ended early, or holds no test (exit status 1)'],
  });
});

test.each([
  ['ends early with status 0', `test('a', () => {}); test('b', () => process.exit(0));`],
  ['crashes', `test('a', () => process.kill(process.pid, 'SIGKILL'));`],
  ['cannot be loaded', `import './nowhere.ts';`],
  ['holds no test', ''],
])('a file that %s is a failure', async (_, content) => {
  const outcome = await outcomeOf(content);
  expect(outcome).toMatchObject({ passed: 0, problems: expect.arrayContaining([expect.stringMatching(/^no report/)]) });
  expect(outcome.failed).toBeGreaterThan(0);
});

test('of several files, one without a test is a failure', async () => {
  const [one, other] = [`${folder}/one.test.ts`, `${folder}/other.test.ts`];
  writeFileSync(one, `import { test } from 'bun:test'; test('a', () => {});`);
  writeFileSync(other, '');
  const outcome = await run({
    name: 'runner/two',
    command: ['bun', 'test', `./${one}`, `./${other}`],
    testFiles: [one, other],
    limit: 20,
  });
  expect(outcome).toMatchObject({ passed: 1, failed: 1, problems: [`${other}: no test ran`] });
});

test('a file over its limit is ended, with what it started', async () => {
  const mark = join(process.cwd(), folder, 'went-on');
  const outcome = await outcomeOf(
    `test('a', async () => { await Bun.sleep(15_000); await Bun.write('${mark}', ''); }, 20_000);`,
    0.5,
  );
  expect(outcome.problems).toEqual([expect.stringContaining('ended after its limit of 0.5 s')]);
  expect(existsSync(mark)).toBe(false);
});

test('a check passes or fails by its exit status', async () => {
  expect(await run({ name: 'runner/check', command: ['true'], limit: 5 })).toMatchObject({ passed: 1, failed: 0 });
  expect(await run({ name: 'runner/check', command: ['false'], limit: 5 })).toMatchObject({
    passed: 0,
    failed: 1,
    problems: ['exit status 1'],
  });
});

test('a program that is not there is a failure like any other', async () => {
  expect(await run({ name: 'runner/check', command: ['/nowhere/program'], limit: 5 })).toMatchObject({
    passed: 0,
    failed: 1,
  });
});
