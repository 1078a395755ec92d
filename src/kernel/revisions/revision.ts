/**
 * Earlier specs of what can be started and stopped: a JSON object a line, the oldest first, in `<run path>/.kuke/revisions/<names>/<kind>.jsonl`
 * (root alone reads it). It is written by a step of the plan that changes the resource, so it is undone with that, and goes with the resource.
 * The first change begins it, with what was there before: a resource that was never changed has none.
 */
import * as v from 'valibot';
import { type Actor, withoutSecret } from '../audit.ts';
import type { UseBackend } from '../backend-operations.ts';
import { hasDesiredState } from '../desired-state.ts';
import { diffSpecs, type FieldChange } from '../diff.ts';
import type { KindDefinition, Resource } from '../kinds.ts';
import { lineValue } from '../line-log.ts';
import { metadataChanges } from '../plan-resource.ts';
import type { Kernel } from '../registry.ts';
import type { Manifest, ResourceRef } from '../resource.ts';
import { fieldsWith } from '../schema.ts';

/** Who made it, when and how; nothing of it is known of one that was there before the first change. */
export interface Made {
  /** RFC 3339, UTC. */
  at?: string;
  by?: Omit<Actor, 'pid'>;
  /** As it was typed. */
  command?: string;
}

export interface Revision extends Made {
  /** From 1; never given twice while the resource is there, save that of one that was taken back. */
  revision: number;
  /** Without status, and without what start and stop write. */
  manifest: Manifest;
}

/** So many are kept, or fewer of large ones. */
export const KEPT = 10;
/** The store gives back a mebibyte of a file. */
const MAX_BYTES = 900 * 1024;

const actor = v.object({
  uid: v.exactOptional(v.number()),
  user: v.exactOptional(v.string()),
  login: v.exactOptional(v.string()),
});

const line = v.object({
  revision: v.pipe(v.number(), v.integer(), v.minValue(1)),
  at: v.exactOptional(v.string()),
  by: v.exactOptional(actor),
  command: v.exactOptional(v.string()),
  manifest: v.custom<Manifest>(value => typeof value === 'object' && value !== null && 'spec' in value),
});

export const revisionsFile = ({ kind, path }: ResourceRef): string =>
  `revisions/${path.join('/')}/${kind.toLowerCase()}.jsonl`;

export const hasRevisions = (kind: KindDefinition): boolean => hasDesiredState(kind);

/** What of a manifest makes a revision. */
export function revised(kind: KindDefinition, { apiVersion, kind: name, metadata, spec }: Manifest): Manifest {
  const sticky = fieldsWith(kind.spec, said => said.sticky === true);
  const kept = Object.entries(spec).filter(([field]) => !sticky.includes(field));
  return { apiVersion, kind: name, metadata, spec: Object.fromEntries(kept) };
}

/** The earlier ones, the oldest first; the last is what is stored now, save where that was changed by hand. */
export async function readRevisions(use: UseBackend, ref: ResourceRef): Promise<Revision[]> {
  const text = await (await use('store')).readFile(revisionsFile(ref));
  return (text ?? '').split('\n').flatMap(one => {
    const parsed = v.safeParse(line, lineValue(one));
    return parsed.success ? [parsed.output] : [];
  });
}

/** All of a resource, the last of which is as it is stored now. */
export async function revisionsOf(
  { kinds, use }: Pick<Kernel, 'kinds' | 'use'>,
  stored: Resource,
): Promise<Revision[]> {
  const kept = await readRevisions(use, stored.ref);
  return followedBy(kept, revised(kinds.get(stored.ref.kind), stored.manifest), {});
}

/** With one more, if it is another one than the last. */
export function followedBy(revisions: readonly Revision[], manifest: Manifest, made: Made): Revision[] {
  const last = revisions.at(-1);
  if (last !== undefined && Bun.deepEquals(last.manifest, manifest)) return [...revisions];
  return [...revisions, { revision: (last?.revision ?? 0) + 1, ...made, manifest }];
}

/** What has changed from one to the next, field by field. */
export function changesIn(kind: KindDefinition, before: Manifest, now: Manifest): FieldChange[] {
  return [...diffSpecs(kind.spec, before.spec, now.spec), ...metadataChanges(before, now)];
}

/** Each with what it changed of the one before; what may be a secret is left out of that. */
export function toldRevisions(
  kind: KindDefinition,
  revisions: readonly Revision[],
): (Revision & { changes: ReturnType<typeof withoutSecret>[] })[] {
  return revisions.map((one, index) => {
    const before = revisions[index - 1]?.manifest;
    return { ...one, changes: before === undefined ? [] : changesIn(kind, before, one.manifest).map(withoutSecret) };
  });
}

/** The text of the file: the last ones, as far as there is room for them. */
export function revisionsText(revisions: readonly Revision[]): string {
  const lines: string[] = [];
  let size = 0;
  for (const one of revisions.slice(-KEPT).reverse()) {
    const text = `${JSON.stringify(one)}\n`;
    size += Buffer.byteLength(text);
    if (size > MAX_BYTES) break;
    lines.unshift(text);
  }
  return lines.join('');
}
