/** Giving a group its limits: all that are possible here, or, when the kernel refuses one, none. */
import { eachLimit, formatLimit, KukeError, type LimitField, type Limits, limitsFrom } from 'kuke/plugin';
import { type Cgroup, readIfThere, writeInterface } from '../../../src/host/cgroupfs/cgroup.ts';
import { hasCode } from '../../../src/host/errno.ts';
import type { Mount } from '../../../src/host/mountinfo.ts';
import { delegateThrough } from '../delegation.ts';
import { parentOf, pathOf } from '../hierarchy.ts';
import { type Examination, type Examined, examine } from './examine.ts';
import { isSame, type Knob } from './knobs.ts';
import { lowerMemory, usesMoreThan } from './memory.ts';
import { type LimitRecord, readRecord, writeRecord } from './record.ts';

export interface Setting {
  /** It exists. */
  cgroup: Cgroup;
  limits: Limits;
  /** Of these, those that stay as they are. */
  leave?: readonly LimitField[] | undefined;
  /** Written whoever wrote what is there. */
  take?: readonly LimitField[] | undefined;
  mounts: readonly Mount[];
  /** What the person is to know. */
  note(message: string): void;
}

/**
 * InvalidManifest for what makes no sense on this host, and then nothing has changed. Killed at any point, it leaves a record by which the
 * next one knows what it has still to write.
 */
export function setLimits(setting: Setting): void {
  const { cgroup, note } = setting;
  const examination = examineDelegated(setting);
  const limits = askedThen(setting, examination);
  const refused = refusals(examination, cgroup);
  const before = readRecord(cgroup);
  // Memory comes last: what was killed for it cannot be taken back when the kernel refuses another.
  const due = examination.limits.filter(isToBeWritten);
  const changes = [...due.filter(one => !isMemory(one)), ...due.filter(isMemory)];
  const isLowered = ({ knob, observation }: Examined) =>
    knob.field === 'memory.limit' && usesMoreThan(cgroup, Number(observation.asked ?? Number.POSITIVE_INFINITY));
  const lowered = changes.find(isLowered);
  if (changes.length > 0) writeRecord(cgroup, intent(examination.record, limits, changes, lowered));
  const notes: string[] = [];
  const touched: Examined[] = [];
  try {
    for (const change of changes) {
      touched.push(change);
      if (change === lowered) notes.push(lowerMemory(cgroup, Number(change.observation.asked)));
      else write(cgroup, change.knob, textAfter(change));
      notes.push(...replaced(cgroup, change));
    }
  } catch (error) {
    for (const message of notes) note(message);
    takeBack(cgroup, touched, before, error);
  }
  const after = settled(cgroup, examination, limits, refused);
  if (changes.length > 0 || !Bun.deepEquals(after, before)) writeRecord(cgroup, after);
  for (const [field, why] of Object.entries(refused))
    if (examination.record.refused?.[field] !== why)
      notes.push(`${field} of ${pathOf(cgroup)} is not enforced: ${why}`);
  for (const message of notes) note(message);
}

/** By field, of those that are asked for and whose controller did not come. */
function refusals({ record, limits, kept }: Delegated, cgroup: Cgroup): Record<string, string> {
  return Object.fromEntries(
    limits.flatMap(({ knob: { field, controller }, text, observation: { due, asked, notEnforced } }) => {
      if (asked === undefined || text !== undefined) return [];
      const why = due
        ? (kept?.get(controller) ?? `${parentOf(cgroup).path} does not hand ${controller} down`)
        : notEnforced;
      return why !== undefined && (due || record.refused?.[field] === why) ? [[field, why] as const] : [];
    }),
  );
}

interface Delegated extends Examination {
  /** By controller, what the kernel said when it was to be handed down. */
  kept?: Map<string, string>;
}

/** Refuses what is at fault; hands down what a limit waits for. */
function examineDelegated({ cgroup, limits, leave = [], take, mounts }: Setting): Delegated {
  const look = (): Examination => {
    const { record, limits: all } = examine(cgroup, limits, mounts, take);
    return { record, limits: all.filter(({ knob }) => !leave.includes(knob.field)) };
  };
  const first = look();
  const faulty = first.limits.find(({ observation }) => observation.fault !== undefined)?.observation;
  if (faulty?.asked !== undefined) {
    const asked = formatLimit(faulty.field, faulty.asked);
    throw new KukeError('InvalidManifest', `${faulty.field} of ${pathOf(cgroup)} cannot be ${asked}: ${faulty.fault}`);
  }
  if (!first.limits.some(({ observation, text }) => observation.due && text === undefined)) return first;
  const kept = delegateThrough(parentOf(cgroup));
  return { ...look(), kept };
}

/** What is left as it is counts as asked for as it was. */
function askedThen({ limits, leave = [] }: Setting, { record }: Examination): Limits {
  const before = eachLimit(record.asked).filter(([field]) => leave.includes(field));
  return limitsFrom([...eachLimit(limits).filter(([field]) => !leave.includes(field)), ...before]);
}

const isMemory = ({ knob }: Examined) => knob.controller === 'memory';

/** What is there already is only recorded; of what is not asked for any more, what somebody wrote by hand stays. */
function isToBeWritten({ knob, observation: { due, asked, manual }, text, isTaken }: Examined): boolean {
  if (!due || text === undefined) return false;
  return asked === undefined ? !manual || isTaken : !isSame(knob, text, asked);
}

const textAfter = ({ knob, observation: { asked } }: Examined) => (asked === undefined ? knob.unset : knob.text(asked));

export function write(cgroup: Cgroup, knob: Knob, text: string): void {
  try {
    // Nothing at all would not reach the kernel: cpuset.cpus takes an empty line.
    writeInterface(cgroup, knob.file, text === '' ? '\n' : text);
  } catch (error) {
    if (text !== knob.unset || knob.unsetInstead === undefined || !hasCode(error, 'ENOSPC')) throw error;
    writeInterface(cgroup, knob.file, knob.unsetInstead());
  }
}

function replaced(cgroup: Cgroup, { knob, observation, isTaken }: Examined): string[] {
  const { field, manual, current, asked } = observation;
  if (!manual || (asked === undefined && !isTaken)) return [];
  const [old, now] = [current, asked].map(value => (value === undefined ? 'no limit' : formatLimit(field, value)));
  return [`${knob.file} of ${pathOf(cgroup)} was set by hand: ${old}; it is ${now} now`];
}

/** All as before, as far as that is possible; then the error, with what could not be taken back. */
function takeBack(
  cgroup: Cgroup,
  touched: readonly Examined[],
  record: LimitRecord | undefined,
  error: unknown,
): never {
  const errors = [error];
  for (const one of touched.toReversed()) {
    try {
      if (one.text !== undefined && textNow(cgroup, one.knob) !== one.text) write(cgroup, one.knob, one.text);
    } catch (another) {
      errors.push(another);
    }
  }
  writeRecord(cgroup, record);
  throw errors.length === 1 ? error : new AggregateError(errors);
}

/**
 * While it is being written: what is asked for and not found is due. What is lifted stays known as ours until it is gone. memory.high is
 * written where memory.max is lowered, whoever set it: asked for or not, it is due then.
 */
function intent(record: LimitRecord, asked: Limits, changes: readonly Examined[], lowered?: Examined): LimitRecord {
  const found = { ...record.found };
  for (const { knob, observation } of changes) if (observation.asked !== undefined) delete found[knob.field];
  if (lowered === undefined) return { asked, found };
  const { 'memory.high': _, ...others } = asked;
  return { asked: others, found: { ...found, 'memory.high': textAfter(lowered) } };
}

/** Undefined: there is nothing to know. */
function settled(
  cgroup: Cgroup,
  { record, limits }: Examination,
  asked: Limits,
  refused: Record<string, string>,
): LimitRecord | undefined {
  const found = { ...record.found };
  for (const one of limits) {
    const { field, due } = one.observation;
    if (!due) continue;
    const text = one.observation.asked === undefined ? undefined : textNow(cgroup, one.knob);
    if (text === undefined) delete found[field];
    else found[field] = text;
  }
  const isEmpty = Object.keys(asked).length === 0 && Object.keys(found).length === 0;
  return isEmpty ? undefined : { asked, found, ...(Object.keys(refused).length > 0 && { refused }) };
}

export function textNow(cgroup: Cgroup, knob: Knob): string | undefined {
  const content = readIfThere(cgroup, knob.file);
  return content === undefined ? undefined : knob.read(content);
}
