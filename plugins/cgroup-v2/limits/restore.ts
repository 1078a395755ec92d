/** Taking limits back that a plan gave a group before it failed: the files get what they had, by whomever, and the record too. */
import type { LimitField, Limits } from 'kuke/plugin';
import { type Cgroup, exists } from '../../../src/host/cgroupfs/cgroup.ts';
import { hasCode } from '../../../src/host/errno.ts';
import type { Mount } from '../../../src/host/mountinfo.ts';
import { examine } from './examine.ts';
import { knobOf } from './knobs.ts';
import { lowerMemory, usesMoreThan } from './memory.ts';
import { type LimitRecord, readRecord, writeRecord } from './record.ts';
import { textNow, write } from './set.ts';

/** Plain data. */
export interface Remembered {
  files: { field: LimitField; file: string; text: string }[];
  record?: LimitRecord;
}

/** Undefined: there is no such group. */
export function remember(cgroup: Cgroup, limits: Limits, mounts: readonly Mount[]): Remembered | undefined {
  if (!exists(cgroup)) return undefined;
  const files = examine(cgroup, limits, mounts)
    .limits.filter(({ observation }) => observation.fault === undefined)
    // A file that is not there yet has what a new group has, when it comes.
    .map(({ knob, text = knob.unset }) => ({ field: knob.field, file: knob.file, text }));
  const record = readRecord(cgroup);
  return { files, ...(record !== undefined && { record }) };
}

/** Writes them all before it throws for one. `note`: what was taken from those that used more meanwhile. */
export function restore(cgroup: Cgroup, { files, record }: Remembered, note: (message: string) => void): void {
  const errors: unknown[] = [];
  for (const { field, file, text } of files) {
    const knob = knobOf(field, file, text);
    const now = textNow(cgroup, knob);
    if (now === undefined || now === text) continue;
    try {
      if (field === 'memory.limit' && usesMoreThan(cgroup, Number(text.replace('max', 'Infinity'))))
        note(lowerMemory(cgroup, Number(text)));
      else write(cgroup, knob, text);
    } catch (error) {
      // What is not to be had any more, such as a disk, is not missed.
      if (!hasCode(error, 'ENODEV', 'EINVAL', 'ERANGE')) errors.push(error);
    }
  }
  writeRecord(cgroup, record);
  if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors);
}

/** Of a journal, which an earlier kuke may have written. */
export const isRemembered = (found: unknown): found is Remembered =>
  typeof found === 'object' && found !== null && 'files' in found && Array.isArray(found.files);
