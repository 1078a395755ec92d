/** `kuke doctor` as a script reads it. */
import { expect } from 'bun:test';
import { run } from '../kuke/kuke.ts';

export interface Finding {
  level: 'ok' | 'warning' | 'error';
  code: string;
  what: string;
  remedy?: string;
  fixable: boolean;
  fixed?: boolean;
}

export interface Diagnosis {
  status: number | null;
  /** Without what is well, and what a box has no controllers for. */
  found: Finding[];
  /** Codes of all that is not well, each once, sorted. */
  codes: string[];
}

/** Every finding that is not well says what is to be done. */
export async function doctor(...flags: string[]): Promise<Diagnosis> {
  const { status, stdout, stderr } = await run(['doctor', '-o', 'json', ...flags]);
  if (!stdout.startsWith('[')) throw new Error(`kuke doctor: exit code ${status}: ${stderr}`);
  const all: Finding[] = JSON.parse(stdout);
  const found = all.filter(({ level, code }) => level !== 'ok' && code !== 'ControllerMissing');
  expect(found.filter(({ remedy = '' }) => remedy === '')).toEqual([]);
  return { status, found, codes: [...new Set(found.map(({ code }) => code))].sort() };
}

/** `--fix` puts all of it right, and has nothing left to do then. */
export async function fixAll(): Promise<Finding[]> {
  const { status, found } = await doctor('--fix');
  expect({ status, left: found.filter(({ fixed }) => fixed !== true) }).toEqual({ status: 0, left: [] });
  expect(await doctor('--fix')).toEqual({ status: 0, found: [], codes: [] });
  return found;
}
