/** `get -w`: what there is, and then each one that changes, told by events: files, containerd, cgroups. Nothing is polled. */
import { changesOf, comparable, type Seen } from '../../kernel/changes.ts';
import { KukeError } from '../../kernel/errors.ts';
import { followChanges } from '../../kernel/follow-changes.ts';
import { AGAIN_MS, withoutInBetween } from '../../kernel/in-between.ts';
import type { Journal } from '../../kernel/journal.ts';
import type { Resource } from '../../kernel/kinds.ts';
import { keyOf } from '../../kernel/resource.ts';
import type { ResourceTree } from '../../kernel/tree.ts';
import { warn } from '../output/failure.ts';
import { flushOutput, isHeard } from '../output/standard-output.ts';
import { makeStream, type StreamOptions } from './stream.ts';

export interface Watch extends StreamOptions {
  /** By which one tells what others are at work on. */
  journal: Journal;
  look(): Promise<{ tree: ResourceTree; resources: Resource[] }>;
  signal: AbortSignal;
  /** Resolves when nobody reads what is printed any more. */
  unread?: Promise<void> | undefined;
}

/** As a shell tells of a program that a signal ended: 128 and its number. */
const ENDS: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** Until the signal, or until nobody reads any more. Resolves to the exit code: as for any program that Ctrl-C ends; 0 where nobody reads. */
export async function watchResources(watch: Watch): Promise<number> {
  const { kernel, journal, signal } = watch;
  const show = makeStream(watch);
  const warned = new Set<string>();
  let known: ReadonlyMap<string, Seen> | undefined;
  const lookAgain = async (): Promise<boolean | number> => {
    const { tree, resources } = await look(watch, known);
    for (const { path, message } of tree?.problems ?? []) {
      if (!warned.has(`${path}: ${message}`)) warn(`${path}: ${message}`);
      warned.add(`${path}: ${message}`);
    }
    const seen = new Map(resources.map(resource => [keyOf(resource.ref), { resource, text: comparable(resource) }]));
    const { told, isHeld } = await withoutInBetween(kernel, journal, known, seen);
    await show(changesOf(known, told));
    await flushOutput();
    known = told;
    return isHeard() && (isHeld ? AGAIN_MS : true);
  };
  await followChanges(
    kernel,
    signal,
    lookAgain,
    watch.unread?.catch(() => new Promise(() => {})),
  );
  if (!signal.aborted) return 0;
  const [name = ''] = /SIG[A-Z]+$/.exec(String(signal.reason?.message)) ?? [];
  return ENDS[name] ?? 130;
}

/** One that was there and is gone is no failure any more. */
async function look(
  watch: Watch,
  known: ReadonlyMap<string, Seen> | undefined,
): Promise<{ tree?: ResourceTree; resources: Resource[] }> {
  try {
    return await watch.look();
  } catch (thrown) {
    if (known !== undefined && thrown instanceof KukeError && thrown.code === 'NotFound') return { resources: [] };
    throw thrown;
  }
}
