/** What one client that watches is sent: the changes it asked for, from where it is in the ring, as fast as it reads. */
import { errorBody } from '../../kernel/error-body.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { Resource } from '../../kernel/kinds.ts';
import type { Lines } from '../server/lines.ts';
import type { ChangeEvent, RingEntry } from './ring.ts';
import type { ResourceView } from './view.ts';

/** A line of its own so often, by which a client knows how far it is, and both that the other is there. */
const BOOKMARK_MS = 60_000;

export interface Following {
  view: ResourceView;
  lines: Lines;
  /** Which resources it is about. */
  isWanted(resource: Resource): boolean;
  /** What comes after that is not waited for. */
  isLast(type: ChangeEvent, resource: Resource): boolean;
  /** From after this one. */
  revision: number;
  signal: AbortSignal;
}

/** Until the signal, the last line, or until nobody reads any more, or does not read on in time for the ring. */
export async function follow({ view, lines, isWanted, isLast, revision, signal }: Following): Promise<void> {
  const { ring } = view;
  let at = revision;
  let woken = Promise.withResolvers<void>();
  const wake = () => woken.resolve();
  signal.addEventListener('abort', wake, { once: true });
  view.subscribe(wake, signal);
  let isQuiet = false;
  const bookmarks = setInterval(() => {
    isQuiet = true;
    wake();
  }, BOOKMARK_MS);
  try {
    while (!signal.aborted) {
      woken = Promise.withResolvers();
      for (; at < ring.last; at++) {
        const entry = ring.at(at + 1);
        if (entry === undefined) {
          const error = new KukeError(
            'Gone',
            'the changes that come next are not kept any more: they came faster than they were read',
          );
          lines.write({ type: 'ERROR', error: errorBody(error) });
          return;
        }
        const type = typeFor(entry, isWanted);
        if (type === undefined) continue;
        if (!lines.write(entry.line(type))) return;
        await lines.drained();
        if (signal.aborted || isLast(type, entry.resource)) return;
      }
      if (isQuiet && !lines.write(bookmark(ring.token(at)))) return;
      isQuiet = false;
      if (at < ring.last) continue;
      await woken.promise;
    }
  } finally {
    clearInterval(bookmarks);
    signal.removeEventListener('abort', wake);
  }
}

export const bookmark = (revision: string) => ({ type: 'BOOKMARK', revision });

/** What a change is to those who want some resources alone: one whose labels fit no more is gone for them. */
function typeFor(
  { event, resource, before }: RingEntry,
  isWanted: (resource: Resource) => boolean,
): ChangeEvent | undefined {
  const was = before !== undefined && isWanted(before);
  const is = isWanted(resource);
  if (event === 'DELETED') return was || is ? 'DELETED' : undefined;
  if (is) return was ? 'MODIFIED' : 'ADDED';
  return was ? 'DELETED' : undefined;
}
