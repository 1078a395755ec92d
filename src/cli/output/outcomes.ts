/** What became of each resource: a line each, and the fields that changed. */
import type { Outcome } from '../../kernel/apply.ts';
import type { FieldChange } from '../../kernel/diff.ts';
import { describe } from '../../kernel/resource.ts';
import { printFailure } from './failure.ts';
import { printable } from './printable.ts';
import { print } from './standard-output.ts';
import { colour } from './terminal.ts';

const colours = {
  created: 'green',
  updated: 'yellow',
  unchanged: 'dim',
  deleted: 'green',
  'not found': 'yellow',
  failed: 'red',
} as const;

/** The exit code is the first failure's. */
export function printOutcomes(outcomes: Outcome[]): number {
  for (const outcome of outcomes) {
    print(`${describe(outcome.ref)} ${colour(colours[outcome.result], outcome.result)}`);
    for (const change of outcome.changes) print(`  ${printable(changeText(change))}`);
    if (outcome.result === 'updated' && outcome.changes.length === 0) {
      print(`  put right: ${[...new Set(outcome.steps)].join(', ')}`);
    }
    for (const note of outcome.notes) print(`  ${printable(note)}`);
    if (outcome.error !== undefined) printFailure(outcome.error);
  }
  return outcomes.find(outcome => outcome.error !== undefined)?.error?.exitCode ?? 0;
}

function changeText({ path, from, to }: FieldChange): string {
  if (from === undefined) return `${path}: added ${shown(to)}`;
  if (to === undefined) return `${path}: removed (was ${shown(from)})`;
  return `${path}: ${shown(from)} → ${shown(to)}`;
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
