/** Parts of a description: labelled values, indented sections. */
import { formatDocument } from '../../kernel/documents.ts';
import type { LimitStatus } from '../../kernel/limits/status.ts';
import { alignColumns } from '../output/table.ts';

export type Pair = readonly [label: string, value: string];

/** Labels as wide as the widest, and values of several lines below each other. */
export function pairLines(pairs: readonly Pair[]): string {
  const shown = pairs.filter(([, value]) => value !== '');
  const rows = shown.flatMap(([label, value]) =>
    value.split('\n').map((line, index) => [index === 0 ? `${label}:` : '', line]),
  );
  return alignColumns(rows);
}

export function yamlLines(value: object): string {
  return Object.keys(value).length === 0 ? '' : formatDocument(value);
}

/** Empty where there is nothing in it. */
export function section(title: string, text: string): string {
  return text === '' ? '' : `${title}:\n${text.replace(/^(?=.)/gm, '  ')}`;
}

/** `Failed (RootExited)`, and below it why. */
export function stateText({ state, reason, message }: Record<string, unknown>): string {
  const lines = [reason === undefined ? String(state ?? 'Pending') : `${state} (${reason})`];
  return [...lines, ...(message === undefined ? [] : [String(message)])].join('\n');
}

/** `35ms`, `1.25s`, `2m 5s`, `3h 12m`; nothing where it is not counted. */
export function cpuTime(usec: number | undefined): string {
  if (usec === undefined) return '';
  const seconds = usec / 1e6;
  if (seconds < 1) return `${Math.round(usec / 1000)}ms`;
  if (seconds < 60) return `${Number(seconds.toPrecision(3))}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}m ${Math.floor(seconds % 60)}s` : `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

export function limitLines(resources: unknown): string {
  if (!Array.isArray(resources) || resources.length === 0) return '';
  const rows = (resources as LimitStatus[]).map(({ field, value, from, asked, notEnforced }) => {
    const notes = [
      asked === undefined ? [] : `asked: ${asked}`,
      notEnforced === undefined ? [] : `not enforced: ${notEnforced}`,
    ];
    return [field, value, from, notes.flat().join('; ')];
  });
  return alignColumns([['FIELD', 'VALUE', 'FROM', 'NOTE'], ...rows]);
}
