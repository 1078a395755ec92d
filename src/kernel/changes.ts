/** What has become of resources between two looks at them. */
import type { Resource } from './kinds.ts';
import type { Manifest } from './resource.ts';

export interface Change {
  event: 'ADDED' | 'MODIFIED' | 'DELETED';
  resource: Resource;
}

/** A resource, and what of it is compared. */
export interface Seen {
  resource: Resource;
  text: string;
}

/** When it was observed is no change. */
export function comparable({ manifest }: Resource): string {
  const { observedAt: _, ...status } = manifest.status ?? {};
  return JSON.stringify({ ...manifest, status });
}

/** By `keyOf`. Those that are gone first, the others in the order of what is there now. */
export function changesOf(before: ReadonlyMap<string, Seen> | undefined, now: ReadonlyMap<string, Seen>): Change[] {
  const gone = [...(before ?? [])].flatMap(([key, { resource }]) =>
    now.has(key) ? [] : [{ event: 'DELETED' as const, resource: deleted(resource) }],
  );
  const others = [...now].flatMap(([key, { resource, text }]) => {
    const earlier = before?.get(key);
    if (earlier?.text === text) return [];
    return [{ event: earlier === undefined ? ('ADDED' as const) : ('MODIFIED' as const), resource }];
  });
  return [...gone, ...others];
}

function deleted(resource: Resource): Resource {
  const manifest: Manifest = { ...resource.manifest, status: { ...resource.manifest.status, state: 'Deleted' } };
  return { ...resource, manifest };
}
