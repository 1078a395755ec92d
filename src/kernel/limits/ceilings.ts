/** What a group asks for against what those above it have: a limit on any level holds for everything below it (spec.md §5). */
import type { LimitObservation } from '../backends/index.ts';
import { cpuList, formatCpuList } from './cpu-list.ts';
import { eachLimit, type LimitField, type Limits, type LimitValue } from './limits.ts';

/** The limits of a group above that hold for this one of a group below; a weight is a share among siblings, and has none. */
function ceilingsOf(field: LimitField): LimitField[] {
  if (field.endsWith('.weight')) return [];
  if (field === 'memory.reservation') return ['memory.reservation', 'memory.limit'];
  return field === 'memory.high' ? ['memory.high', 'memory.limit'] : [field];
}

/** By field: what a group has, or is about to have. */
export type Held = ReadonlyMap<LimitField, LimitValue>;

export function heldBy(seen: readonly LimitObservation[]): Held {
  return new Map(
    seen.flatMap(({ field, asked, current, manual, due }) => {
      // What was asked for is compared with what is: the kernel has rounded it.
      const value = manual && !due ? current : (asked ?? (due ? undefined : current));
      return value === undefined ? [] : [[field, value] as const];
    }),
  );
}

export interface Excess {
  field: LimitField;
  value: LimitValue;
  /** The limit above that is lower. */
  ceiling: LimitField;
  held: LimitValue;
}

/** What is asked for, and cannot be had. */
export function excesses(asked: Limits, held: Held): Excess[] {
  return eachLimit(asked).flatMap(([field, value]) =>
    ceilingsOf(field).flatMap(ceiling => {
      const above = held.get(ceiling);
      return above !== undefined && isMore(value, above) ? [{ field, value, ceiling, held: above }] : [];
    }),
  );
}

function isMore(value: LimitValue, held: LimitValue): boolean {
  if (typeof value === 'number' && typeof held === 'number') return value > held;
  return typeof value === 'string' && typeof held === 'string' && outside(value, held) !== '';
}

/** Of lists of CPUs: those of the first that the other lacks. */
export function outside(inner: string, outer: string): string {
  const all = new Set(cpuList(outer) ?? []);
  return formatCpuList((cpuList(inner) ?? []).filter(cpu => !all.has(cpu)));
}
