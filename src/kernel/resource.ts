/** What every manifest looks like, and how one resource is named (spec.md §1, §3). */

export const API_VERSION = 'v1beta1';

export interface Metadata {
  name: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface Manifest<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  apiVersion: typeof API_VERSION;
  kind: string;
  metadata: Metadata;
  spec: Spec;
  status?: Status;
}

/** The names from the realm down to the resource itself: `{kind: 'Cell', path: ['main', 'default', 'blog', 'web']}`. */
export interface ResourceRef {
  kind: string;
  path: readonly string[];
}

/** As errors and progress name it: `cell main/default/blog/web`; what has no path, `host`. */
export function describe(ref: ResourceRef): string {
  return [ref.kind.toLowerCase(), ref.path.join('/')].join(' ').trimEnd();
}

/** One string a resource; without regard to case, as names are unique (spec.md §1). */
export function keyOf(ref: ResourceRef): string {
  return `${ref.kind}:${ref.path.join('/')}`.toLowerCase();
}

export function nameOf(ref: ResourceRef): string {
  return ref.path.at(-1) ?? '';
}
