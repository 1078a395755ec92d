/** What a run has seen, as JSON in bench/results: a file a bench. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Table } from './table.ts';

export interface Result {
  /** `2026-11-21T21:40Z` */
  when: string;
  /** `2 × AMD EPYC ..., Linux 6.18.5, Bun 1.4.5` */
  machine: string;
  /** Load average of a minute, before and after. */
  load: [number, number];
  tables: Table[];
}

const folder = join(import.meta.dir, 'results');
const pathOf = (name: string) => join(folder, `${name}.json`);

export function writeResult(name: string, result: Result): void {
  mkdirSync(folder, { recursive: true });
  const rounded = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(5)) : value);
  // A line a row, to be read and to be compared.
  const text = JSON.stringify(result, rounded)
    .replaceAll('{"what":', '\n{"what":')
    .replaceAll('{"title":', '\n{"title":');
  writeFileSync(pathOf(name), `${text}\n`);
}

/** Undefined: it was never run. */
export function readResult(name: string): Result | undefined {
  return existsSync(pathOf(name)) ? (JSON.parse(readFileSync(pathOf(name), 'utf8')) as Result) : undefined;
}
