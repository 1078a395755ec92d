/** Resource kinds: one schema each, from which types, validation, defaults, diff, columns and reference pages derive (design.md, idea 1). */
import type * as v from 'valibot';
import type { PlanContext } from './planning.ts';
import type { Manifest, ResourceRef } from './resource.ts';

/** Kinds by name, extended by plugins: `interface KukeKinds { Cell: typeof cell }`. */
// biome-ignore lint/suspicious/noEmptyInterface: filled in by declaration merging
export interface KukeKinds {}

export type ObjectSchema = v.GenericSchema<Record<string, unknown>, Record<string, unknown>>;

/** What a change of a field takes; on a field by `v.metadata({ kuke: { change: 'recreate' } })`. */
export type Change = 'in-place' | 'recreate' | 'immutable';

export interface FieldMetadata {
  change?: Change;
  /** Known, and nothing acts on it yet: refused by name (spec.md §3). The text says what will. */
  pending?: string;
}

export interface Column {
  header: string;
  /** Only with `-o wide`. */
  wide?: boolean;
  value(manifest: Manifest, ref: ResourceRef): string;
}

/** A resource with what is stored of it, and what the host says. */
export interface Resource<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  ref: ResourceRef;
  manifest: Manifest<Spec, Status>;
}

export interface KindDefinition<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  kind: string;
  /** `realms` */
  plural: string;
  /** `['r']` */
  aliases: string[];
  /** The kind it lives in; its names stand in the spec as `realmId`, `spaceId`, ... from the outermost inwards. */
  parent?: string;
  description: string;
  /** The whole spec, scope fields included. */
  spec: v.GenericSchema<Spec, Spec>;
  columns: Column[];
  /** Can be read and not applied: it is declared within its parent. */
  embedded?: {
    /** The resources that a parent declares. */
    of(parent: Manifest): Manifest[];
  };
  /** What the schema cannot say: `two roots`. Paths are like `spec.containers[1].root`. */
  validate?(manifest: Manifest<Spec, Status>): { path: string; message: string }[];
  /** Adds the steps that take the host from what is observed to what `desired` says. No step: unchanged. */
  plan(
    context: PlanContext,
    desired: Resource<Spec, Status>,
    stored: Resource<Spec, Status> | undefined,
  ): Promise<void>;
  /** Adds the steps that remove it and all it owns; its children are gone or planned before. */
  planDelete(context: PlanContext, resource: Resource<Spec, Status>): Promise<void>;
  /** Adds steps for what must not wait for a user, e.g. the network of a cell whose root has ended. */
  planSettle?(context: PlanContext, resource: Resource<Spec, Status>): Promise<void>;
  /** The status as the host says; never from what is stored, save for what only history knows. */
  observe(context: ObserveContext, resource: Resource<Spec, Status>): Promise<Status>;
}

export interface ObserveContext {
  /** Memoised for one command: the key names what is observed, `runtime:kukeon-main`. */
  once<T>(key: string, observe: () => Promise<T>): Promise<T>;
  /** RFC 3339. */
  now: string;
}

/** Gives the definition its types; what it returns is what `KukeKinds` takes `typeof` of. */
export function defineKind<Spec, Status>(definition: KindDefinition<Spec, Status>): KindDefinition<Spec, Status> {
  return definition;
}

/** `stackId` for Stack: the field of a spec that names a parent. */
export function scopeField(kind: string): string {
  return `${kind.charAt(0).toLowerCase()}${kind.slice(1)}Id`;
}
