/** What was done to a resource, with when and how it ended. */
import type { HistoryEntry } from '../../kernel/history.ts';

export function operationRows(operations: readonly HistoryEntry[], now: Date): string[][] {
  const rows = operations.map(({ at, command, result, done, steps, ms }) => [
    `${at.replace(/\.\d+Z$/, 'Z')} (${ago(now.getTime() - Date.parse(at))})`,
    result,
    done === steps ? `${steps}` : `${done} of ${steps}`,
    ms === undefined ? '-' : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`,
    command,
  ]);
  return [['WHEN', 'RESULT', 'STEPS', 'TOOK', 'COMMAND'], ...rows];
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
] as const;

/** `5s ago`, `3m ago`, `2d ago`; milliseconds. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [unit, size] = UNITS.find(([, least]) => seconds >= least) ?? ['s', 1];
  return `${Math.floor(seconds / size)}${unit} ago`;
}
