/** What every failure of the program has to look like, and that it leaves nothing behind. */
import { expect } from 'bun:test';
import { footprint } from '../kuke/footprint.ts';
import type { Ran } from '../kuke/kuke.ts';
import { difference, type Inventory } from '../observe/inventory.ts';

/** What a terminal would act on; a line's end aside. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
export const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;

/**
 * The one line on standard error that says what failed. It has this exit code (spec.md §7), `says` all of this, ends with what to do next, and nothing of it steers a terminal.
 */
export function failure({ status, stdout, stderr }: Ran, code: number, ...says: (string | RegExp)[]): string {
  expect({ status, stdout, stderr }).toMatchObject({ status: code });
  const errors = stderr.split('\n').filter(line => line.startsWith('error: '));
  expect(errors).toHaveLength(1);
  const [line = ''] = errors;
  for (const text of says) {
    if (typeof text === 'string') expect(line).toContain(text);
    else expect(line).toMatch(text);
  }
  expect(line).toMatch(/ \(.+\)$|; did you mean `.+`\?$/);
  expect(stdout + stderr).not.toMatch(CONTROL);
  return line;
}

/** The lines behind the first one: what failed besides, e.g. while undoing. */
export function alsoFailed({ stderr }: Ran): string[] {
  return stderr.split('\n').filter(line => line.startsWith('  also: '));
}

/** Fails unless the host is afterwards as it was. */
export async function leavingNothing<T>(act: () => Promise<T>): Promise<T> {
  const before = await footprint();
  const result = await act();
  await expectSame(before);
  return result;
}

export async function expectSame(before: Inventory): Promise<void> {
  expect(difference(before, await footprint())).toEqual([]);
}
