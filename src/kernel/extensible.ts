/** The interfaces that plugins extend by `declare module 'kuke/plugin' { interface KukeHooks { ... } }`. */
import type { ActionContext, ContainerConfig } from './backends/index.ts';
import type { Claims } from './claims.ts';
import type { KukeError } from './errors.ts';
import type { OciSpec } from './oci.ts';
import type { Plan } from './plan.ts';
import type { Manifest, ResourceRef } from './resource.ts';

/** Kinds by name: `interface KukeKinds { Cell: typeof cell }`. */
// biome-ignore lint/suspicious/noEmptyInterface: filled in by declaration merging
export interface KukeKinds {}

export interface KukeHooks {
  /** Before validation: fill in what the manifest leaves out. Change `manifest` in place. */
  'manifest:default': (event: { manifest: Manifest }) => void | Promise<void>;
  /** After the schema: add to `issues` what else is wrong. */
  'manifest:validate': (event: { manifest: Manifest; issues: FieldIssue[] }) => void | Promise<void>;
  /** A plan is complete and not yet journalled: add steps, or throw to refuse it. */
  'plan:made': (event: { plan: Plan }) => void | Promise<void>;
  /** A container is about to be created: change `spec` in place. */
  'container:spec': (event: { container: ContainerConfig; spec: OciSpec }) => void | Promise<void>;
  /**
   * `kuke init`: add the steps that make the host ready for this plugin to `plan`, which is undone when it fails, and those that change
   * what is there to `update`, which comes after it and is gone on with. `flags` are the command's.
   */
  'host:init': (event: { plan: Plan; update: Plan; flags: Readonly<Record<string, unknown>> }) => void | Promise<void>;
  /** `kuke uninstall`, after the last realm is gone: add the steps that undo `host:init` and all else of this plugin. */
  'host:uninstall': (event: { plan: Plan }) => void | Promise<void>;
  /** Before and after each operation of a plan. */
  'step:before': (event: StepEvent) => void | Promise<void>;
  'step:after': (event: StepEvent & { error?: KukeError }) => void | Promise<void>;
  /** Before and after each one that is undone. Nobody can refuse that. */
  'undo:before': (event: StepEvent) => void | Promise<void>;
  'undo:after': (event: StepEvent & { error?: KukeError }) => void | Promise<void>;
  /** What the host reports, see design.md idea 4. */
  event: (event: { resource: ResourceRef; what: string }) => void | Promise<void>;
  /** `claims`: what is of the resources there are; absent where nothing is set up, or that cannot be told. */
  doctor: (event: { findings: Finding[]; claims?: Claims }) => void | Promise<void>;
  /** `kuke doctor --fix` is about to put something right. */
  'repair:before': (event: { finding: Finding }) => void | Promise<void>;
  shutdown: () => void | Promise<void>;
}

export interface StepEvent {
  planId: string;
  stepId: string;
  type: string;
  params: unknown;
  resource: string;
}

export interface FieldIssue {
  /** `spec.containers[1].image` */
  path: string;
  message: string;
  /** The field is known, and nothing acts on it yet (spec.md §3). Absent: it is wrong. */
  code?: 'Unsupported';
}

export interface Finding {
  level: 'ok' | 'warning' | 'error';
  /** What sort of thing it is, for scripts: `OrphanContainer`, or the code of an error. */
  code: string;
  /** `cell main/default/blog/web`, where all that there is to say of one is said in one finding. */
  resource?: string;
  what: string;
  /** A command to type, or what else is to be done. */
  remedy?: string;
  /** Puts it right, for `kuke doctor --fix`, which holds the lock. Idempotent: it may have happened already, wholly or half. */
  fix?(context: ActionContext): Promise<void>;
  /** The commands that a person would type for `fix`, for bash; absent where it runs steps of plans, which are explained by themselves. */
  byHand?(): string;
}
