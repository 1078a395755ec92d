/** Where manifests with their status are kept, and the lock on them (spec.md §2). */
import type { Manifest, ResourceRef } from '../resource.ts';
import type { Backend } from './backend.ts';
import type { Watchable } from './watch.ts';

export interface StoreWrite {
  ref: ResourceRef;
  manifest: Manifest;
  /** What stood there before: what a revert writes back; absent: it was made new. */
  previous?: Manifest;
  /** Names of logs that were there before: containers may run on though their manifest was lost. A revert of what was made new leaves them. */
  logs?: string[];
}

export interface StoredFile {
  /** Relative to `<run path>/.kuke`: `etc/main/default/blog/web/hosts`. */
  path: string;
  content: string;
  /** In place when the file may be bind-mounted into a container (spec.md §2). */
  inPlace?: boolean;
}

export interface StoreActions {
  /** Atomic, fsynced, 0600 where it holds credentials. */
  write: { params: StoreWrite; result: void };
  /** The manifest and its folder, and its logs with theirs, save for those that it `keeps`. Absent: nothing to do. */
  remove: { params: { ref: ResourceRef; keeps?: string[] }; result: void };
  writeFile: { params: StoredFile; result: void };
  /** A file or a folder. */
  removeFile: { params: { path: string }; result: void };
  /** All that is left of this installation once its resources are gone: `.kuke` and, where nothing else lies there, the run path. */
  purge: { params: Record<string, never>; result: void };
}

export interface StoreProblem {
  path: string;
  /** The resource that the file is of, where its place tells: nothing may be made or removed in its stead. */
  ref?: ResourceRef;
  message: string;
}

export interface LockHolder {
  pid: number;
  command: string;
}

export interface StoreLock {
  /** Whether others wait for it: who has much to do under it lets them go first. */
  isAwaited(): boolean;
  release(): Promise<void>;
}

export interface StoreBackend extends Backend<StoreActions>, Watchable {
  /**
   * Everything that is stored; a file that cannot be read or is not valid becomes a problem, and the rest is there. `only`: these and those
   * that they lie in; more may be given. Nobody changes what is given: it may be frozen, and the very same that others were given.
   */
  list(
    only?: readonly ResourceRef[],
  ): Promise<{ resources: { ref: ResourceRef; manifest: Manifest }[]; problems: StoreProblem[] }>;
  /** What `writeFile` wrote; undefined when there is no such file. */
  readFile(path: string): Promise<string | undefined>;
  /** Where a person finds a manifest; absent where they are not in files. */
  manifestPath?(ref: ResourceRef): string;
  /** Names of the logs of the resource's containers, sorted. */
  logs(ref: ResourceRef): Promise<string[]>;
  /** What lies where the state is to be and is nobody's that kuke knows: names, sorted. A path that holds such is no place for an init. */
  strangers(): Promise<string[]>;
  /** Absolute path of a file for `StoredFile.path`. */
  filePath(path: string): string;
  /** The instance id; undefined before `kuke init`. */
  instance(): Promise<string | undefined>;
  /** Of the lock, where it is a file: who holds it, who says so in it, and what is another each time that it was taken or let go of. */
  lockState?(): Promise<{ path: string; heldBy?: LockHolder; writtenBy?: LockHolder; turn?: string }>;
  /** Exclusive among all kukes of this run path. `onWait` is told the holder, if one is known, after a second. Throws Locked at the time limit. */
  lock(request: {
    command: string;
    timeoutMs: number;
    signal: AbortSignal;
    onWait(holder?: LockHolder): void;
  }): Promise<StoreLock>;
}
