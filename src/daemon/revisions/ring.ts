/**
 * The last changes of resources, each with its revision: those who watch read on from where they are, at their own pace. Bounded by their number,
 * and by what they hold: a manifest may be megabytes, and each change of its status has one of its own.
 */
import { randomBytes } from 'node:crypto';
import type { Change } from '../../kernel/changes.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { Resource } from '../../kernel/kinds.ts';

export type ChangeEvent = Change['event'];

export interface RingEntry {
  revision: number;
  event: ChangeEvent;
  resource: Resource;
  /** As it was before, by whose labels a selector may have chosen it. */
  before?: Resource;
  /** The line for `type`, serialised once for all who watch. */
  line(type: ChangeEvent): string;
}

export interface Ring {
  /** `7f3a9c01-42`: of this daemon's life, and how many changes it has seen. */
  readonly latest: string;
  readonly last: number;
  push(changes: readonly Pushed[]): void;
  /** The one with this number; undefined: it is not there yet, or not any more. */
  at(revision: number): RingEntry | undefined;
  /** Whether nothing after this number has been dropped yet. */
  reaches(revision: number): boolean;
  /** The number of a revision that a client has. Throws Usage, and Gone for one of another life, or too old. */
  read(revision: string): number;
  token(revision: number): string;
}

export interface Pushed {
  change: Change;
  before?: Resource;
  /** Characters of its JSON. */
  size: number;
}

/** Of all that is kept, in characters; the last change is, however large. */
const MOST_HELD = 16 << 20;

export function makeRing(capacity: number, boot = randomBytes(4).toString('hex'), mostHeld = MOST_HELD): Ring {
  const entries: (RingEntry | undefined)[] = new Array(capacity);
  const sizes: number[] = new Array(capacity).fill(0);
  let last = 0;
  /** The oldest that is kept. */
  let first = 1;
  let held = 0;
  const dropFirst = (): void => {
    const place = first % capacity;
    held -= sizes[place] ?? 0;
    entries[place] = undefined;
    sizes[place] = 0;
    first += 1;
  };
  const token = (revision: number): string => `${boot}-${revision}`;
  const reaches = (revision: number): boolean => revision <= last && revision >= first - 1;
  return {
    get latest() {
      return token(last);
    },
    get last() {
      return last;
    },
    push(changes) {
      for (const { change, before, size } of changes) {
        last += 1;
        if (last - first === capacity) dropFirst();
        entries[last % capacity] = makeEntry(last, token(last), change, before);
        sizes[last % capacity] = size;
        held += size;
        while (held > mostHeld && first < last) dropFirst();
      }
    },
    at: revision => (revision >= first && revision <= last ? entries[revision % capacity] : undefined),
    reaches,
    read(given) {
      const [, of, number] = /^([0-9a-f]{8})-(\d{1,15})$/.exec(given) ?? [];
      if (number === undefined) {
        const remedy = 'give the one that a list, or a line of an earlier watch, has';
        throw new KukeError('Usage', `revision: \`${given.slice(0, 40)}\` is none`, { field: 'revision', remedy });
      }
      if (of !== boot || !reaches(Number(number))) {
        const why = of === boot ? 'is too old' : 'is of an earlier daemon';
        throw new KukeError('Gone', `revision ${given} ${why}`, { field: 'revision' });
      }
      return Number(number);
    },
    token,
  };
}

function makeEntry(revision: number, token: string, { event, resource }: Change, before?: Resource): RingEntry {
  let object: string | undefined;
  const lines = new Map<ChangeEvent, string>();
  return {
    revision,
    event,
    resource,
    ...(before && { before }),
    line(type) {
      const known = lines.get(type);
      if (known !== undefined) return known;
      object ??= JSON.stringify(resource.manifest);
      const line = eventLine(type, token, object);
      lines.set(type, line);
      return line;
    },
  };
}

export const eventLine = (type: ChangeEvent, revision: string, object: string): string =>
  `{"type":"${type}","revision":"${revision}","object":${object}}\n`;
