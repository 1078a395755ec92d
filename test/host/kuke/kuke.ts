/**
 * The compiled program as a user has it, run in a box:
 *
 *     await kuke('init');                                          // its standard output; anything but exit code 0 fails the test
 *     await apply(cell('web', [container('main')]));
 *     const { status } = await get<Cell>('cell', 'web');
 *     expect(await failing(4, 'delete', 'cell', 'web')).toContain('--cascade');     // its standard error
 *
 * It is dist/kuke, which has to be newer than its sources; KUKE_TEST_BINARY names another one, of which no age is asked.
 */
import '../box.ts';
import { expect, setDefaultTimeout } from 'bun:test';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

// On a loaded machine a command may take long; what it waits for has limits of its own.
setDefaultTimeout(120_000);

const top = join(import.meta.dir, '../../..');

export const binary = process.env.KUKE_TEST_BINARY ?? built();

function built(): string {
  const path = join(top, 'dist/kuke');
  if (!existsSync(path)) throw new Error('dist/kuke is absent: build it with `bun run build`');
  const sources = ['build.ts', 'package.json', ...new Bun.Glob('{src,plugins}/**/*').scanSync(top)];
  const age = statSync(path).mtimeMs;
  const newer = sources.filter(source => statSync(join(top, source)).mtimeMs > age);
  if (newer.length > 0) throw new Error(`dist/kuke is older than ${newer.join(', ')}: build it with \`bun run build\``);
  return path;
}

export interface Ran {
  /** Exit code; null: ended by a signal. */
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  stdin?: string | Uint8Array;
  /** Added to the test's own, less all that sets kuke's flags, save KUKE_NO_DAEMON; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Before the program: `['setpriv', '--reuid=1000']`. */
  prefix?: string[];
}

/** Starts it; for who wants to signal it, or look while it runs. */
export function start(args: string[], { stdin, env = {}, cwd, prefix = [] }: RunOptions = {}) {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('KUKE_') || name === 'KUKE_NO_DAEMON',
  );
  return Bun.spawn([...prefix, binary, ...args], {
    stdin: stdin === undefined ? 'ignore' : Buffer.from(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...Object.fromEntries(inherited), ...env },
    ...(cwd !== undefined && { cwd }),
  });
}

/** How it ended, whatever way. */
export async function run(args: string[], options: RunOptions = {}): Promise<Ran> {
  const program = start(args, options);
  const [stdout, stderr, status] = await Promise.all([program.stdout.text(), program.stderr.text(), program.exited]);
  return { status: program.signalCode === null ? status : null, stdout, stderr };
}

/** Standard output of a command that has to end well. */
export async function kuke(...args: string[]): Promise<string> {
  return well(args, await run(args));
}

function well(args: string[], { status, stdout, stderr }: Ran): string {
  if (status !== 0) throw new Error(`kuke ${args.join(' ')}: exit code ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** Standard error of a command that has to fail with this exit code (spec.md §7). */
export async function failing(status: number, ...args: string[]): Promise<string> {
  return failed(status, args, await run(args));
}

function failed(status: number, args: string[], ran: Ran): string {
  expect({ command: args.join(' '), ...ran }).toMatchObject({ status });
  expect(ran.stderr).toMatch(/^(?:.*\n)*error: /);
  return ran.stderr;
}

const APPLY = ['apply', '-f', '-'];

/** A manifest, or the text of one or more. */
export type Applied = object | string;

function textOf(documents: Applied[]): string {
  return documents.map(one => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n---\n');
}

/** What `apply -f -` prints: a line a resource, and its changes indented below. */
export async function apply(...documents: Applied[]): Promise<string> {
  return well(APPLY, await run(APPLY, { stdin: textOf(documents) }));
}

/** How an apply that may fail ends. */
export function tryApply(...documents: Applied[]): Promise<Ran> {
  return run(APPLY, { stdin: textOf(documents) });
}

/** Standard error of an apply that has to fail with this exit code. */
export async function applyFailing(status: number, ...documents: Applied[]): Promise<string> {
  return failed(status, APPLY, await tryApply(...documents));
}

/** `get KIND NAME -o json`. */
export async function get<Shape>(kind: string, name: string, ...flags: string[]): Promise<Shape> {
  return JSON.parse(await kuke('get', kind, name, '-o', 'json', ...flags)) as Shape;
}
