/** What the API says and takes, with the types of the kinds' own schemas: nothing of this is there at run time. */
import type {} from '../../plugins/cell/index.ts';
import type {} from '../../plugins/container/index.ts';
import type {} from '../../plugins/realm/index.ts';
import type {} from '../../plugins/space/index.ts';
import type {} from '../../plugins/stack/index.ts';
import type { ImageInfo } from '../kernel/backends/index.ts';
import type { Diagnosis } from '../kernel/doctor.ts';
import type { ErrorBody } from '../kernel/error-body.ts';
import type { Event } from '../kernel/events.ts';
import type { KukeKinds } from '../kernel/extensible.ts';
import type { KindDefinition } from '../kernel/kinds.ts';
import type { Metadata } from '../kernel/resource.ts';
import type { toldRevisions } from '../kernel/revisions/revision.ts';
import type { PastUse } from '../kernel/usage.ts';

export type { Diagnosis as Finding, ErrorBody, Event, ImageInfo, PastUse };
export type Revision = ReturnType<typeof toldRevisions>[number];

export type Kind = 'Realm' | 'Space' | 'Stack' | 'Cell' | 'Container';

type SpecOf<K extends Kind> = KukeKinds[K] extends KindDefinition<infer Spec, infer _> ? Spec : never;
type StatusOf<K extends Kind> = KukeKinds[K] extends KindDefinition<infer _, infer Status> ? Status : never;

/** What a resource of this kind may be in: `Ready`. */
export type StateOf<K extends Kind> = StatusOf<K> extends { state: infer State extends string } ? State : string;

/** As it stands in a manifest: what has a default may be left out. */
export type Written<T> = T extends readonly (infer Element)[]
  ? Written<Element>[]
  : T extends object
    ? { [Field in keyof T]?: Written<T[Field]> }
    : T;

export interface Manifest<K extends Kind = Kind> {
  apiVersion: 'v1beta1';
  kind: K;
  metadata: Metadata;
  spec: Written<SpecOf<K>>;
}

export type AnyManifest = { [K in Kind]: Manifest<K> }[Kind];

/** A manifest with what the host says of it. */
export interface Resource<K extends Kind = Kind> extends Manifest<K> {
  status: StatusOf<K> & { observedAt: string };
}

export interface List<K extends Kind> {
  /** To watch from. */
  metadata: { revision: string };
  items: Resource<K>[];
  /** Files of state that cannot be read. */
  problems?: { path: string; message: string }[];
}

/** Names of what it is in; what is left out is any, or for one resource the default: `main`, `default`, `default`. */
export interface Scope {
  realm?: string;
  space?: string;
  stack?: string;
  cell?: string;
}

export type WatchEvent<K extends Kind> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; revision: string; object: Resource<K> }
  /** How far one is; the first one comes after all that is there. */
  | { type: 'BOOKMARK'; revision: string };

export interface Outcome {
  resource: string;
  kind: string;
  path: string[];
  result: 'created' | 'updated' | 'unchanged' | 'deleted' | 'not found' | 'not applied' | 'failed';
  changes: { path: string; from?: unknown; to?: unknown; change: 'in-place' | 'recreate' | 'immutable' }[];
  steps: string[];
  notes: string[];
  error?: ErrorBody;
}

export interface Result {
  outcomes: Outcome[];
  notices: string[];
  /** Of a dry run. */
  plan?: { resource: string; step: string; command: string }[];
}

export type Progress =
  | {
      type: 'progress';
      phase: 'start' | 'progress' | 'done' | 'failed' | 'undo';
      resource: string;
      step: string;
      message?: string;
      /** Bytes, of a pull. */
      transfer?: object;
    }
  | { type: 'notice'; message: string }
  | ({ type: 'outcome' } & Outcome);

export interface ChangeOptions {
  dryRun?: boolean;
  /** Told of each line as it comes. */
  told?(event: Progress): void;
  signal?: AbortSignal;
}
