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
  'not applied': 'yellow',
  failed: 'red',
} as const;

/** The exit code is the first failure's. `done`: what a verb has done that is no change of a manifest, such as `started`. */
export function printOutcomes(outcomes: readonly Outcome[], done?: string): number {
  for (const outcome of outcomes) {
    const lines = done !== undefined && outcome.result === 'updated' ? doneLines(outcome, done) : linesOf(outcome);
    print(lines.join('\n'));
    if (outcome.error !== undefined) printFailure(outcome.error);
  }
  return exitCodeOf(outcomes);
}

export function exitCodeOf(outcomes: readonly Outcome[]): number {
  return outcomes.find(outcome => outcome.error !== undefined)?.error?.exitCode ?? 0;
}

/** `said`: how its end is told. */
export function linesOf({ ref, result, changes, steps, notes }: Outcome, said = colour(colours[result], result)) {
  const isPutRight = result === 'updated' && changes.length === 0;
  return [
    `${describe(ref)} ${said}`,
    ...changes.map(change => `  ${printable(changeText(change))}`),
    ...(isPutRight ? [`  put right: ${[...new Set(steps)].join(', ')}`] : []),
    ...notes.map(note => `  ${printable(note)}`),
  ];
}

/** Of what a verb has done that is no change of a manifest: `started`, and what is to be known of it. */
export const doneLines = ({ ref, notes }: Outcome, done: string): string[] => [
  `${describe(ref)} ${done}`,
  ...notes.map(note => `  ${printable(note)}`),
];

export function changeText({ path, from, to }: Pick<FieldChange, 'path'> & { from?: unknown; to?: unknown }): string {
  if (from === undefined) return `${path}: added ${shown(to)}`;
  if (to === undefined) return `${path}: removed (was ${shown(from)})`;
  return `${path}: ${shown(from)} → ${shown(to)}`;
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
