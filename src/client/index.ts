/**
 * `kuke/client`: kukeond's API for programs in TypeScript, on Bun.
 *
 *     const kuke = connect();
 *     await kuke.apply(cell);
 *     for await (const event of kuke.watch('Cell', { realm: 'main' })) ...
 *
 * What the daemon refuses is an ApiError. Bun's fetch has 256 requests at once at most (BUN_CONFIG_MAX_HTTP_REQUESTS).
 */
import { ApiError } from './api-error.ts';
import { type Attached, type AttachOptions, attach, type Exec, type ExecOptions, exec } from './exec.ts';
import { type Asking, cutOff, type QueryValue, type Transport, transportOn } from './transport.ts';
import type {
  AnyManifest,
  ChangeOptions,
  ErrorBody,
  Event,
  Finding,
  ImageInfo,
  Kind,
  List,
  Outcome,
  PastUse,
  Progress,
  Resource,
  Result,
  Revision,
  Scope,
  StateOf,
  WatchEvent,
} from './types.ts';

export { ApiError } from './api-error.ts';
export type { Attached, AttachOptions, Exec, ExecOptions } from './exec.ts';
export type * from './types.ts';

export interface Selecting {
  /** As `kuke get -l`: `app=blog,tier!=db`. */
  labelSelector?: string;
  signal?: AbortSignal;
}

type Named = Scope & { name: string };

export interface Client {
  list<K extends Kind>(kind: K, scope?: Scope, options?: Selecting & { fresh?: boolean }): Promise<List<K>>;
  get<K extends Kind>(kind: K, named: Named, options?: { fresh?: boolean; signal?: AbortSignal }): Promise<Resource<K>>;
  /** All that is there and then what changes, or what has changed since `revision`. Throws an ApiError `Gone` where that is too old. */
  watch<K extends Kind>(
    kind: K,
    scope?: Scope,
    options?: Selecting & { revision?: string },
  ): AsyncGenerator<WatchEvent<K>>;
  /** Resolves once it is in this state, to how it is then; `deleted`: to how it was last. Throws an ApiError `NotFound` for one that is not there. */
  wait<K extends Kind>(
    kind: K,
    named: Named,
    until: StateOf<K> | 'deleted',
    options?: { signal?: AbortSignal },
  ): Promise<Resource<K> | undefined>;
  /**
   * Rejects with an ApiError that has the outcomes, where one of them failed. `wait`: until all of it is Ready, so long at most (`5m`); `atomic`:
   * and it is taken back if it does not become so.
   */
  apply(
    manifests: string | AnyManifest | readonly AnyManifest[],
    options?: ChangeOptions & { strict?: boolean; wait?: string; atomic?: boolean },
  ): Promise<Result>;
  diff(manifests: string | AnyManifest | readonly AnyManifest[]): Promise<Result>;
  /** Times as `10s`. */
  delete(
    kind: Exclude<Kind, 'Container'>,
    named: Named,
    options?: ChangeOptions & { cascade?: boolean; force?: boolean; timeout?: string },
  ): Promise<Result>;
  start(cell: Named, options?: ChangeOptions & { strict?: boolean }): Promise<Result>;
  stop(cell: Named, options?: ChangeOptions & { timeout?: string }): Promise<Result>;
  kill(cell: Named, options?: ChangeOptions): Promise<Result>;
  /** Its containers are stopped, and started again; one that does not run is `unchanged`. */
  restart(cell: Named, options?: ChangeOptions & { timeout?: string }): Promise<Result>;
  /** Back to the revision before the last, or to another one. */
  undo(
    cell: Named,
    options?: ChangeOptions & { toRevision?: number; strict?: boolean; wait?: string },
  ): Promise<Result>;
  /** Of its manifest, the oldest first; the last is what holds. */
  revisions(cell: Named): Promise<Revision[]>;
  /** What happened, the oldest first; with `watch` also what happens from now on. `resource`: `cell main/default/blog/web`. */
  events(options?: {
    resource?: string;
    since?: string;
    last?: number;
    watch?: boolean;
    signal?: AbortSignal;
  }): AsyncGenerator<Event>;
  /** Of the last hour, or of `last` (`5m`); in `points` equal parts, or a point a reading. */
  usage(options?: Scope & { last?: string; points?: number; signal?: AbortSignal }): Promise<PastUse>;
  logs(
    cell: Named,
    options?: {
      container?: string;
      tail?: number;
      follow?: boolean;
      /** How long ago (`5m`), or a time as RFC 3339 has it. */
      since?: string;
      timestamps?: boolean;
      previous?: boolean;
      signal?: AbortSignal;
    },
  ): AsyncGenerator<Uint8Array>;
  exec(cell: Named, options: ExecOptions): Promise<Exec>;
  attach(cell: Named, options?: AttachOptions): Promise<Attached>;
  images(realm?: string): Promise<ImageInfo[]>;
  pullImage(
    name: string,
    options?: { realm?: string; platform?: string; plainHttp?: boolean } & Pick<ChangeOptions, 'told' | 'signal'>,
  ): Promise<ImageInfo>;
  /** From a Docker archive or an OCI layout: `Bun.file('nginx.tar')`. */
  loadImages(
    archive: Blob | AsyncIterable<Uint8Array>,
    options?: { realm?: string; signal?: AbortSignal },
  ): Promise<ImageInfo[]>;
  /** As an archive that `loadImages` takes. */
  saveImages(names: readonly string[], options?: { realm?: string; signal?: AbortSignal }): AsyncGenerator<Uint8Array>;
  removeImage(name: string, options?: { realm?: string }): Promise<void>;
  pruneImages(options?: {
    realm?: string;
    all?: boolean;
    dryRun?: boolean;
  }): Promise<{ removed: string[]; bytes: number }>;
  doctor(options?: { fix?: boolean }): Promise<Finding[]>;
  version(): Promise<{ version: string; apiVersions: string[]; runtime?: { name: string; version: string } }>;
}

const SOCKET = '/run/kukeon/kukeond.sock';
const ROOT = '/v1beta1';

/** The levels of each kind, outermost first, and what a path calls them. */
const LEVELS: readonly [level: keyof Scope, plural: string, defaultName: string][] = [
  ['realm', 'realms', 'main'],
  ['space', 'spaces', 'default'],
  ['stack', 'stacks', 'default'],
  ['cell', 'cells', ''],
];
const PLURALS = {
  Realm: 'realms',
  Space: 'spaces',
  Stack: 'stacks',
  Cell: 'cells',
  Container: 'containers',
} as const satisfies Record<Kind, string>;
const DEPTHS = { Realm: 0, Space: 1, Stack: 2, Cell: 3, Container: 4 } as const satisfies Record<Kind, number>;

function pathOf(kind: Kind, { name, ...scope }: Named): string {
  const above = LEVELS.slice(0, DEPTHS[kind]).map(([level, plural, defaultName]) => {
    const given = scope[level] ?? defaultName;
    if (given === '') throw new TypeError(`which ${level}?`);
    return `/${plural}/${encodeURIComponent(given)}`;
  });
  return `${ROOT}${above.join('')}/${PLURALS[kind]}/${encodeURIComponent(name)}`;
}

type Last = { type: 'result'; error?: ErrorBody; plan?: Result['plan'] } | { type: 'error'; error: ErrorBody };

/** By lines where somebody is told of them, else in one. */
async function change(
  to: Transport,
  path: string,
  { told, ...asking }: Asking & Pick<ChangeOptions, 'told'>,
): Promise<Result> {
  if (told === undefined) return to.json<Result>(path, asking);
  const outcomes: Outcome[] = [];
  const notices: string[] = [];
  for await (const line of to.lines<Progress | Last>(path, asking)) {
    if (line.type === 'error') throw new ApiError(line.error, undefined, outcomes);
    if (line.type === 'result') {
      if (line.error !== undefined) throw new ApiError(line.error, undefined, outcomes);
      return { outcomes, notices, ...(line.plan && { plan: line.plan }) };
    }
    if (line.type === 'notice') notices.push(line.message);
    if (line.type === 'outcome') outcomes.push((({ type: _, ...outcome }) => outcome)(line));
    told(line);
  }
  throw cutOff();
}

async function* watched<K extends Kind>(to: Transport, path: string, asking: Asking): AsyncGenerator<WatchEvent<K>> {
  for await (const line of to.lines<WatchEvent<K> | { type: 'ERROR'; error: ErrorBody }>(path, asking)) {
    if (line.type === 'ERROR') throw new ApiError(line.error);
    yield line;
  }
}

const stateOf = ({ status }: { status: object }): unknown => Reflect.get(status, 'state');

const bodyOf = (manifests: string | AnyManifest | readonly AnyManifest[]): unknown =>
  Array.isArray(manifests) ? { apiVersion: 'v1beta1', kind: 'List', items: manifests } : manifests;

/** Connects with each request. */
export function connect({ socket = SOCKET }: { socket?: string } = {}): Client {
  const to = transportOn(socket);
  const changed = (method: 'POST' | 'DELETE', path: string, options: ChangeOptions = {}, body?: unknown) => {
    const { told, signal, ...rest } = options;
    const query: Record<string, QueryValue> = rest;
    return change(to, path, { method, query, signal, body, ...(told && { told }) });
  };
  const imagesOf = (realm = 'main') => `${ROOT}/realms/${encodeURIComponent(realm)}/images`;
  return {
    list: (kind, scope = {}, { signal, ...options } = {}) =>
      to.json(`${ROOT}/${PLURALS[kind]}`, { query: { ...scope, ...options }, signal }),
    get: (kind, named, { signal, ...query } = {}) => to.json(pathOf(kind, named), { query, signal }),
    async *watch<K extends Kind>(
      kind: K,
      scope: Scope = {},
      { signal, ...options }: Selecting & { revision?: string } = {},
    ) {
      const query = { watch: true, ...scope, ...options };
      yield* watched<K>(to, `${ROOT}/${PLURALS[kind]}`, { query, signal });
    },
    async wait<K extends Kind>(kind: K, named: Named, until: string, { signal }: { signal?: AbortSignal } = {}) {
      let seen: Resource<K> | undefined;
      let state: unknown;
      for await (const event of watched<K>(to, pathOf(kind, named), { query: { until }, signal })) {
        if (event.type === 'BOOKMARK') continue;
        seen = event.object;
        state = event.type === 'DELETED' ? 'deleted' : stateOf(seen);
      }
      if (seen === undefined || state === until) return seen;
      throw state === 'deleted' ? new Error(`${kind.toLowerCase()} ${named.name} was deleted meanwhile`) : cutOff();
    },
    apply: (manifests, options) => changed('POST', `${ROOT}/apply`, options, bodyOf(manifests)),
    diff: manifests => to.json(`${ROOT}/diff`, { method: 'POST', body: bodyOf(manifests) }),
    delete: (kind, named, options) => changed('DELETE', pathOf(kind, named), options),
    start: (cell, options) => changed('POST', `${pathOf('Cell', cell)}/start`, options),
    stop: (cell, options) => changed('POST', `${pathOf('Cell', cell)}/stop`, options),
    kill: (cell, options) => changed('POST', `${pathOf('Cell', cell)}/kill`, options),
    restart: (cell, options) => changed('POST', `${pathOf('Cell', cell)}/restart`, options),
    undo: (cell, options) => changed('POST', `${pathOf('Cell', cell)}/undo`, options),
    revisions: async cell => (await to.json<{ items: Revision[] }>(`${pathOf('Cell', cell)}/revisions`)).items,
    events: ({ signal, ...query } = {}) => to.lines(`${ROOT}/events`, { query, signal }),
    usage: ({ signal, ...query } = {}) => to.json(`${ROOT}/usage`, { query, signal }),
    logs: (cell, { signal, ...query } = {}) => to.bytes(`${pathOf('Cell', cell)}/logs`, { query, signal }),
    attach: (cell, options = {}) => attach(socket, `${pathOf('Cell', cell)}/attach`, options),
    exec: (cell, options) => exec(socket, `${pathOf('Cell', cell)}/exec`, options),
    images: async realm => (await to.json<{ items: ImageInfo[] }>(imagesOf(realm))).items,
    async pullImage(name, { realm, told, signal, ...options } = {}) {
      const path = `${imagesOf(realm)}/pull`;
      const asking = { method: 'POST', body: { name, ...options }, signal } as const;
      if (told === undefined) return (await to.json<{ image: ImageInfo }>(path, asking)).image;
      for await (const line of to.lines<Progress | Last | { type: 'pulled'; image: ImageInfo }>(path, asking)) {
        if (line.type === 'pulled') return line.image;
        if (line.type === 'error') throw new ApiError(line.error);
        if (line.type !== 'result') told(line);
      }
      throw cutOff();
    },
    loadImages: async (source, { realm, signal } = {}) =>
      (await to.json<{ items: ImageInfo[] }>(`${imagesOf(realm)}/load`, { method: 'POST', source, signal })).items,
    saveImages: (name, { realm, signal } = {}) => to.bytes(`${imagesOf(realm)}/save`, { query: { name }, signal }),
    async removeImage(name, { realm } = {}) {
      await to.json(`${imagesOf(realm)}/remove`, { method: 'POST', body: { name } });
    },
    pruneImages: ({ realm, ...query } = {}) => to.json(`${imagesOf(realm)}/prune`, { method: 'POST', query }),
    doctor: async ({ fix = false } = {}) =>
      (await to.json<{ items: Finding[] }>(`${ROOT}/doctor`, { method: fix ? 'POST' : 'GET' })).items,
    version: () => to.json('/version'),
  };
}
