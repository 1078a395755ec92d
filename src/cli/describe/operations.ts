/** What was done to a resource, by whom, with when and how it ended. */
import { type Affected, type AuditEntry, whoIs } from '../../kernel/audit.ts';

/** An entry of the audit log, as far as it is about one resource. */
export type Operation = Omit<AuditEntry, 'resources' | 'id' | 'result'> & Omit<Affected, 'resource'>;

/** Newest first, at most so many. `name`: `cell main/default/blog/web`, in any case. */
export function operationsOn(name: string, entries: readonly AuditEntry[], most: number): Operation[] {
  const found: Operation[] = [];
  for (const { resources, id: _, ...entry } of entries.toReversed()) {
    const one = resources.find(({ resource }) => resource.toLowerCase() === name.toLowerCase());
    if (one === undefined) continue;
    const { resource: _resource, result, ...rest } = one;
    // What became of the resource says more than that of the command, save where that was cut off.
    found.push({ ...entry, ...rest, result: entry.result.includes(' ') ? entry.result : result });
    if (found.length === most) break;
  }
  return found;
}

export function operationRows(operations: readonly Operation[], now: Date): string[][] {
  const rows = operations.map(({ at, command, result, steps, ms, ...actor }) => [
    `${at.replace(/\.\d+Z$/, 'Z')} (${ago(now.getTime() - Date.parse(at))})`,
    result,
    steps === undefined ? '-' : `${steps.length}`,
    ms === undefined ? '-' : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`,
    whoIs(actor),
    command,
  ]);
  return [['WHEN', 'RESULT', 'STEPS', 'TOOK', 'BY', 'COMMAND'], ...rows];
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
