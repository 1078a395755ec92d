/** What all backends have in common: actions that change the host, each of which is an operation, `explain`, and `isThere`. */

/** `{ create: { params: ..., result: ... } }`: params and results are plain data, for the journal holds them. */
export type Actions = Record<string, { params: unknown; result: unknown }>;

/** How far a part of what takes long has come. */
export interface Transfer {
  /** What it is a part of: `docker.io/library/nginx:alpine`. */
  of: string;
  /** `layer 2 of 5` */
  title: string;
  /** Bytes so far, and in all. */
  done: number;
  total: number;
  state: 'waiting' | 'fetching' | 'fetched' | 'unpacking' | 'done' | 'here already';
}

export interface ActionContext {
  /** Aborted on Ctrl-C and on a time limit. */
  signal: AbortSignal;
  /** A line for a person who waits: `unpacking layer 2 of 5`; with `transfer`, as often as something has changed. */
  progress(message: string, transfer?: Transfer): void;
  /** What the person is to know when all is done: `memory.max of ... was below what it used: 64Mi were given back`. */
  note?(message: string): void;
}

type ParamsOf<A, K extends keyof A> = A[K] extends { params: infer P } ? P : never;

export type Backend<A> = {
  [K in keyof A]: A[K] extends { params: infer P; result: infer R }
    ? (params: P, context: ActionContext) => Promise<R>
    : never;
} & {
  /** The command that a person would type for the same effect. */
  explain<K extends keyof A & string>(action: K, params: ParamsOf<A, K>): string;
  /**
   * Whether what the action would make is there already, if only in part, and ours. It is asked just before the action: what is there
   * is not taken away when the action is undone. False for an action that makes nothing.
   */
  isThere<K extends keyof A & string>(action: K, params: ParamsOf<A, K>): Promise<boolean>;
};

/** An `explain` from one command for each action: `explainWith<CgroupActions>({ create: ({ path }) => ..., remove: ... })`. */
export function explainWith<A>(
  commands: {
    [K in keyof A & string]: (params: ParamsOf<A, K>) => string;
  },
): <K extends keyof A & string>(action: K, params: ParamsOf<A, K>) => string {
  return (action, params) => commands[action](params);
}

/** An `isThere` from a look for each action that makes something: `thereWith<CgroupActions>({ create: ({ path }) => ... })`. */
export function thereWith<A>(
  looks: {
    [K in keyof A & string]?: (params: ParamsOf<A, K>) => boolean | Promise<boolean>;
  },
): <K extends keyof A & string>(action: K, params: ParamsOf<A, K>) => Promise<boolean> {
  return async (action, params) => (await looks[action]?.(params)) ?? false;
}

/** The actions that take the same params. */
type UndoerOf<A, K extends keyof A> = {
  [U in keyof A & string]: ParamsOf<A, K> extends ParamsOf<A, U> ? U : never;
}[keyof A & string];

/** What the kernel has to know of an action to run it in a plan, and to take it back. */
export interface ActionDeclaration<B, A, K extends keyof A> {
  /** The action of the same backend that undoes it. It is not called where `isThere` said so before the action. */
  undoneBy?: UndoerOf<A, K>;
  /** Where that is not all that undoing takes. `look` comes before the action; what it gives, plain data, is in the journal by then. */
  undo?: {
    look(backend: B, params: ParamsOf<A, K>): Promise<unknown>;
    /** Works on what was never made. */
    revert(backend: B, params: ParamsOf<A, K>, found: unknown, context: ActionContext): Promise<void>;
  };
  /** It ends or takes away what is there, and nothing brings that back: a plan with such a step is gone on with, and not undone. */
  irreversible?: true;
  /** It may take long, and needs no lock: done before the rest of its plan, while other kukes work on. */
  ahead?: true;
  /** In a delete, other steps go on after a failure; this one only runs when all that it waits for went well. */
  onlyAfterSuccess?: true;
}

export type ActionDeclarations<B, A> = { [K in keyof A & string]: ActionDeclaration<B, A, K> };
