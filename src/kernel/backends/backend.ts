/** What all backends have in common: actions that change the host, each of which is an operation, and `explain`. */

/** `{ create: { params: ..., result: ... } }`: params and results are plain data, for the journal holds them. */
export type Actions = Record<string, { params: unknown; result: unknown }>;

export interface ActionContext {
  /** Aborted on Ctrl-C and on a time limit. */
  signal: AbortSignal;
  /** A line for a person who waits: `unpacking layer 2 of 5`. */
  progress(message: string): void;
}

export type Backend<A> = {
  [K in keyof A]: A[K] extends { params: infer P; result: infer R }
    ? (params: P, context: ActionContext) => Promise<R>
    : never;
} & {
  /** The command that a person would type for the same effect. */
  explain<K extends keyof A & string>(action: K, params: A[K] extends { params: infer P } ? P : never): string;
};

type ParamsOf<A, K extends keyof A> = A[K] extends { params: infer P } ? P : never;

/** An `explain` from one command for each action: `explainWith<CgroupActions>({ create: ({ path }) => ..., remove: ... })`. */
export function explainWith<A>(
  commands: {
    [K in keyof A & string]: (params: ParamsOf<A, K>) => string;
  },
): <K extends keyof A & string>(action: K, params: ParamsOf<A, K>) => string {
  return (action, params) => commands[action](params);
}
