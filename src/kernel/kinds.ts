/** Resource kinds: one schema each, from which types, validation, defaults, diff, columns and reference pages derive (design.md, idea 1). */
import type * as v from 'valibot';
import type { Claims } from './claims.ts';
import { KukeError } from './errors.ts';
import type { FieldIssue, KukeKinds } from './extensible.ts';
import type { AskedOfGroup } from './limits/asked.ts';
import { didYouMean } from './names.ts';
import type { PlanContext } from './planning.ts';
import type { Manifest, ResourceRef } from './resource.ts';
import type { Precedence, Supervision } from './supervision.ts';
import type { ResourceTree } from './tree.ts';

/** What a change of a field takes. */
export type Change = 'in-place' | 'recreate' | 'immutable';

/** On a field by `v.metadata({ kuke: { change: 'recreate' } })`; what a field does not say it takes from the one around it. */
export interface FieldMetadata {
  change?: Change;
  /** Known, and nothing acts on it yet: refused by name (spec.md §3). The text says what is missing. */
  pending?: string;
  /** An apply that does not mention it leaves it as it is. */
  sticky?: true;
  /** What its text looks like, for editors: a regular expression that fits all that is valid (ECMA-262, without flags). */
  pattern?: string;
  /** Names of fields that people know from elsewhere, each with what to say here. */
  instead?: Readonly<Record<string, string>>;
}

export interface Column {
  header: string;
  /** Only with `-o wide`. */
  wide?: boolean;
  value(resource: Resource): string;
}

/** A resource: the manifest as the user wrote it (with status), and its spec with the schema's defaults filled in. */
export interface Resource<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  ref: ResourceRef;
  manifest: Manifest<Record<string, unknown>, Status>;
  spec: Spec;
}

/** The resource of a kind by its name; of one that no plugin in sight declares, without types for its fields. */
export type ResourceOf<K extends string> = K extends keyof KukeKinds
  ? KukeKinds[K] extends KindDefinition<infer Spec, infer Status>
    ? Resource<Spec, Status>
    : never
  : Resource;

export interface KindDefinition<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  kind: string;
  /** `realms` */
  plural: string;
  /** `['r']` */
  aliases: string[];
  /** The kind it lives in; specs name their parents as `realmId`, `spaceId`, ... */
  parent?: string;
  /** The name that a scope field or flag has when it is not given: `main`. */
  defaultName?: string;
  description: string;
  /** The whole spec, scope fields included; its output has the defaults. */
  spec: v.GenericSchema<unknown, Spec>;
  /** Fills in what follows from the resource's own name or from other fields: `namespace` of a realm. */
  effective?(spec: Spec, ref: ResourceRef): Spec;
  columns: Column[];
  /** All that `status.state` may be, for who waits for one; absent: any word. */
  states?: readonly string[];
  /** What the schema cannot say: `two roots`. */
  validate?(spec: Spec, manifest: Manifest): FieldIssue[];
  /**
   * What it needs besides what it lies in, e.g. the spaces that a cell joins: that has to be there to apply it, and is
   * not deleted while it is. On levels above its own, so that it is made first and goes last.
   */
  references?(resource: Resource<Spec, Status>): ResourceRef[];
  /** Others of its kind, in the same parent, that come before it and go after it: no two of them at once, and no circle of them. */
  precedence?: Precedence<Resource<Spec, Status>>;
  /** The cgroups that its manifest has limits for; `tree`: where it takes some from. */
  limits?(tree: ResourceTree, resource: Resource<Spec, Status>): AskedOfGroup[];
  /** How it comes to be, is seen and goes; absent for kinds that are declared within their parent. */
  lifecycle?: Lifecycle<Spec, Status>;
  /** The resources of this kind that a parent declares, each with its status: they can be read, and not applied. */
  embedded?(parent: Resource): Resource<Spec, Status>[];
  /** Of those that it declares: the fields that one has where its manifest leaves them out. Undefined: they have none from elsewhere. */
  elementDefaults?(tree: ResourceTree, resource: Resource<Spec, Status>): ElementDefaults | undefined;
}

export interface ElementDefaults {
  fields: Record<string, unknown>;
  /** Whose manifest says so: a space's. */
  from: ResourceRef;
}

export interface Lifecycle<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  /** Several of them may be changed at once. */
  concurrent?: boolean;
  /** Adds the steps that take the host from what is observed to what `desired` says. No step: nothing on the host differs. */
  plan(
    context: PlanContext,
    desired: Resource<Spec, Status>,
    stored: Resource<Spec, Status> | undefined,
  ): Promise<void>;
  /** Adds the steps that remove it and all it owns; its children are gone by then. */
  planDelete(context: PlanContext, resource: Resource<Spec, Status>): Promise<void>;
  /** Adds the steps for what is due without anybody asking, e.g. the network of a cell whose root has ended. */
  planSettle?(context: PlanContext, resource: Resource<Spec, Status>): Promise<void>;
  /** The status as the host says; from what is stored only what the host cannot know any more. */
  observe(context: ObserveContext, resource: Resource<Spec, Status>): Promise<Status>;
  /**
   * What of the host is its, save for its cgroup and its manifest: `kuke doctor` takes all else with the installation's mark for left over.
   * Absent: nobody can say, and nothing that is left over is removed.
   */
  claims?(context: ObserveContext, resource: Resource<Spec, Status>): Promise<Partial<Claims>>;
  /** Absent: nothing of it has to be kept running. */
  supervision?: Supervision<Resource<Spec, Status>>;
}

export interface ObserveContext {
  /** One observation serves a whole command: the key names what is observed, `runtime:kukeon-main`. */
  once<T>(key: string, observe: () => Promise<T>): Promise<T>;
  /** RFC 3339. */
  now: string;
  tree: ResourceTree;
  /** It is for the status of this resource alone: what others have need not be looked at. */
  only?: ResourceRef;
  /** The resource of a kind above this one: `ancestor(cell.ref, 'Space')`. Throws NotFound. */
  ancestor<K extends string>(of: ResourceRef, kind: K): ResourceOf<K>;
}

/** Gives the definition its types; `interface KukeKinds { Cell: typeof cell }` takes the type of what it returns. */
export function defineKind<Spec, Status>(definition: KindDefinition<Spec, Status>): KindDefinition<Spec, Status> {
  return definition;
}

/** `stackId` for Stack: the field of a spec that names a parent. */
export function scopeField(kind: string): string {
  return `${kind.charAt(0).toLowerCase()}${kind.slice(1)}Id`;
}

export interface KindRegistry {
  /** Returns the inverse. Throws PluginFailed for a word that is taken. */
  add<Spec, Status>(definition: KindDefinition<Spec, Status>, owner: string): () => void;
  /** By its exact name, as in a manifest. Throws InvalidManifest. */
  get(kind: string): KindDefinition;
  /** The lifecycle of a kind. Throws InvalidManifest for one that is declared within its parent. */
  lifecycle(kind: string): Lifecycle;
  /** As a user types it: singular, plural or alias, in any case. Throws Usage. */
  lookup(word: string): KindDefinition;
  /** Parents before their children. */
  all(): KindDefinition[];
  /** The kinds above, outermost first. */
  above(kind: string): KindDefinition[];
}

export function makeKindRegistry(): KindRegistry {
  const kinds = new Map<string, KindDefinition>();
  const words = new Map<string, KindDefinition>();
  const above = (kind: string): KindDefinition[] => {
    const parent = kinds.get(kinds.get(kind)?.parent ?? '');
    return parent === undefined ? [] : [...above(parent.kind), parent];
  };
  // Until a kind comes or goes: it is asked for with every name that is told.
  let sorted: KindDefinition[] | undefined;
  const all = () => {
    sorted ??= [...kinds.values()].sort((a, b) => above(a.kind).length - above(b.kind).length);
    return [...sorted];
  };
  const get = (kind: string): KindDefinition => {
    const found = kinds.get(kind);
    if (found !== undefined) return found;
    const known = all()
      .map(one => one.kind)
      .join(', ');
    const message = `unknown kind \`${kind}\`${didYouMean(kind, kinds.keys())}`;
    throw new KukeError('InvalidManifest', message, { field: 'kind', remedy: `known kinds: ${known}` });
  };
  return {
    get,
    lifecycle(kind) {
      const { lifecycle, parent = 'parent' } = get(kind);
      if (lifecycle !== undefined) return lifecycle;
      const remedy = `change the manifest of its ${parent.toLowerCase()}`;
      throw new KukeError('InvalidManifest', `a ${kind} is declared within its ${parent}`, { field: 'kind', remedy });
    },
    add(typed, owner) {
      // What stands in a registry is read by name: each kind is given back what its own schema has parsed.
      const definition = typed as unknown as KindDefinition;
      const own = new Set([definition.kind, definition.plural, ...definition.aliases].map(word => word.toLowerCase()));
      for (const word of own) {
        const taken = words.get(word);
        if (taken === undefined) continue;
        const message = `plugin ${owner}: the kind ${definition.kind} takes the word "${word}", which is ${taken.kind}'s`;
        throw new KukeError('PluginFailed', message);
      }
      for (const word of own) words.set(word, definition);
      kinds.set(definition.kind, definition);
      sorted = undefined;
      return () => {
        sorted = undefined;
        for (const word of own) words.delete(word);
        kinds.delete(definition.kind);
      };
    },
    lookup(word) {
      const found = words.get(word.toLowerCase());
      if (found !== undefined) return found;
      const known = all()
        .map(kind => kind.plural)
        .join(', ');
      const message = `there is no kind \`${word}\`${didYouMean(word, words.keys())}`;
      throw new KukeError('Usage', message, { remedy: `kinds: ${known}` });
    },
    all,
    above,
  };
}
