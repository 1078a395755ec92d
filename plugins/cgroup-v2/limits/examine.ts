/** What of a group's limits is asked for, what is there, who wrote it, and what is left to do. Changes nothing. */
import { eachLimit, type LimitField, type LimitObservation, type Limits, type LimitValue } from 'kuke/plugin';
import { blockDevicePath } from '../../../src/host/block-device.ts';
import {
  type Cgroup,
  children,
  exists,
  isHierarchyRoot,
  lineage,
  readIfThere,
  wordsIfThere,
} from '../../../src/host/cgroupfs/cgroup.ts';
import { type Mount, mountOf } from '../../../src/host/mountinfo.ts';
import { whyMissing } from '../absence.ts';
import { CELL_DEPTH } from '../hierarchy.ts';
import {
  deviceCandidates,
  type Group,
  hugepagesCandidates,
  namedDevices,
  numbersOf,
  plainCandidates,
} from './candidates.ts';
import { type Capacity, capacity } from './capacity.ts';
import { isSame, isUnset, type Knob } from './knobs.ts';
import { follow, type LimitRecord, readRecord } from './record.ts';

export interface Examination {
  /** As it is to be read now: devices may have other numbers than when it was written. */
  record: LimitRecord;
  limits: Examined[];
}

export interface Examined {
  knob: Knob;
  /** What the file says; undefined: there is no such file. */
  text?: string;
  /** Somebody wrote it by hand, and it is to be written all the same. */
  isTaken: boolean;
  observation: LimitObservation;
}

/** Those that nobody asks for and nobody has set are left out. `take`: those that are due whoever wrote them. */
export function examine(
  cgroup: Cgroup,
  limits: Limits,
  mounts: readonly Mount[],
  take: readonly LimitField[] = [],
): Examination {
  const host = capacity({ root: cgroup.root, names: [], path: cgroup.root });
  const written = readRecord(cgroup) ?? { asked: {}, found: {} };
  const devices = namedDevices(limits['io.devices'] ?? {});
  const record = follow(written, numbersOf(devices), blockDevicePath);
  const before = new Map<string, LimitValue>(eachLimit(record.asked));
  // A file that is not there costs as much as ten that are.
  const controllers = wordsIfThere(cgroup, 'cgroup.controllers');
  const isHandedDown = (file: string) => controllers.includes(file.split('.', 1)[0] ?? '');
  const group: Group = {
    cgroup,
    content: remembered(file => (isHandedDown(file) ? readIfThere(cgroup, file) : undefined)),
    has: (controller, file) => offers(cgroup, controller, file),
  };
  const candidates = [
    ...plainCandidates(limits, host, group),
    ...deviceCandidates(devices, record, group),
    ...hugepagesCandidates(limits, host),
  ];
  const examined = candidates.flatMap(({ knob, asked, fault }): Examined[] => {
    const found = record.found[knob.field];
    const content = group.content(knob.file);
    const text = content === undefined ? undefined : knob.read(content);
    if (asked === undefined && found === undefined && isUnset(knob, text ?? knob.unset)) return [];
    const isAbsent = asked !== undefined && fault === undefined && text === undefined;
    const absent = isAbsent ? (whyAbsent(group, knob, mounts) ?? record.refused?.[knob.field]) : undefined;
    const idle =
      asked === undefined ? undefined : (whyIdle(knob, asked, host) ?? whyUnclaimed(cgroup, knob, asked, mounts));
    const seen: Seen = { asked, text, found, before: before.get(knob.field), fault, absent, idle };
    const observed = observation(knob, seen);
    const isTaken = observed.manual && take.includes(knob.field);
    const due = observed.due || isTaken;
    return [{ knob, ...(text !== undefined && { text }), isTaken, observation: { ...observed, due } }];
  });
  return { record, limits: examined };
}

/** What is known of one limit. */
interface Seen {
  asked: LimitValue | undefined;
  text: string | undefined;
  /** Of the record. */
  found: string | undefined;
  before: LimitValue | undefined;
  fault: string | undefined;
  /** Why there is no such file, and will not be. */
  absent: string | undefined;
  /** Why the file does nothing. */
  idle: string | undefined;
}

function observation(knob: Knob, { asked, text, found, before, fault, absent, idle }: Seen): LimitObservation {
  const current = text === undefined ? undefined : knob.value(text);
  const isAsFound = text === undefined || (found === undefined ? isUnset(knob, text) : text === found);
  const isOther = !isAsFound && !(asked !== undefined && isSame(knob, text, asked));
  // Asked for and not found: kuke died while it wrote.
  const isOurs = found === undefined && before !== undefined;
  const isNew = !Bun.deepEquals(before, asked) || found === undefined || text === undefined;
  const notEnforced = absent ?? idle;
  return {
    field: knob.field,
    file: knob.file,
    ...(asked !== undefined && { asked }),
    ...(current !== undefined && { current }),
    manual: isOther && !isOurs && fault === undefined,
    ...(notEnforced !== undefined && { notEnforced }),
    ...(fault !== undefined && { fault }),
    due:
      asked === undefined
        ? found !== undefined && text !== undefined
        : isNew && fault === undefined && absent === undefined,
  };
}

function whyAbsent({ cgroup, has }: Group, { controller, file }: Knob, mounts: readonly Mount[]): string | undefined {
  const why = whyMissing(cgroup, controller, mounts);
  return why ?? (has(controller, file) ? undefined : `this kernel has no ${file}`);
}

/** A file may be there and do nothing. */
function whyIdle({ field, file }: Knob, asked: LimitValue, host: Capacity): string | undefined {
  if (field === 'memory.swap' && asked !== 0 && host.swap() === 0) return 'this host has no swap';
  if (field !== 'io.weight') return undefined;
  const { iocost, bfq } = host.weighs();
  if (file === 'io.weight' ? iocost : bfq) return undefined;
  return 'no disk of this host goes by weights: that takes the scheduler bfq, or io.cost.qos';
}

/** Without that option of the mount a reservation counts only for what groups below reserve of it (cgroup-v2.rst, memory_recursiveprot). */
function whyUnclaimed(
  cgroup: Cgroup,
  { field, file }: Knob,
  asked: LimitValue,
  mounts: readonly Mount[],
): string | undefined {
  if (field !== 'memory.reservation' || cgroup.names.length > CELL_DEPTH) return undefined;
  if (mountOf(mounts, cgroup.root)?.superOptions.includes('memory_recursiveprot')) return undefined;
  const claims = children(cgroup).map(child => Number(readIfThere(child, file)?.replace('max', 'Infinity') ?? 0));
  if (claims.reduce((sum, claim) => sum + claim, 0) >= Number(asked)) return undefined;
  return `${cgroup.root} is mounted without memory_recursiveprot: it counts only for what is reserved below`;
}

/** A kernel may be built, or booted, without a part of a controller: a group that has the controller tells. Without one: all is offered. */
function offers(cgroup: Cgroup, controller: string, file: string): boolean {
  const [root = cgroup, ...below] = lineage(cgroup);
  const groups = [...below.filter(exists).reverse(), ...children(root)].filter(group => !isHierarchyRoot(group));
  const one = groups.find(group => wordsIfThere(group, 'cgroup.controllers').includes(controller));
  return one === undefined || readIfThere(one, file) !== undefined;
}

function remembered<T>(look: (file: string) => T): (file: string) => T {
  const seen = new Map<string, { value: T }>();
  return file => {
    const known = seen.get(file) ?? { value: look(file) };
    seen.set(file, known);
    return known.value;
  };
}
