/** Containers and images in their namespaces (spec.md §1, §2, §6). */
import type { Backend } from './backend.ts';
import type { Watchable } from './watch.ts';

export interface NamespaceParams {
  /** containerd namespace: `kukeon-main`. */
  namespace: string;
}

export interface ContainerParams extends NamespaceParams {
  /** containerd id: `default_blog_web_root`. */
  id: string;
}

export interface RemoveParams extends ContainerParams {
  /** That of its creation: so a removal that was cut off ends the group's shim although the container is gone. */
  group?: string;
}

export interface ContainerMount {
  kind: 'bind' | 'tmpfs';
  source?: string;
  /** The source is made by a later step, before the container starts. */
  later?: true;
  target: string;
  readOnly?: boolean;
  sizeBytes?: number;
  /** Octal digits as in chmod(1): `1777`. */
  mode?: string;
}

export interface ContainerConfig extends ContainerParams {
  /** As the user wrote it; Docker's short names are understood. */
  image: string;
  labels: Record<string, string>;
  /** Containers with the same group share one shim. */
  group: string;
  hostname: string;
  /** Replaces ENTRYPOINT (and, without args, CMD), as in Kubernetes' table. */
  command?: string[];
  args?: string[];
  workingDir?: string;
  /** Later entries win: the image's ENV, then these defaults, then `env`. */
  defaultEnv: string[];
  env: string[];
  user?: string;
  mounts: ContainerMount[];
  devices: string[];
  capabilities: { add: string[]; drop: string[] };
  privileged: boolean;
  readOnlyRootFilesystem: boolean;
  /** `no-new-privileges`, `seccomp=unconfined`, `seccomp=/path/to/profile.json`. */
  securityOpts: string[];
  /** OCI runtime: `runc`, `crun` or an absolute path; absent: the configured one. */
  runtime?: string;
  /** Path of the network namespace; absent: the host's. */
  netns?: string;
  /** Leaf cgroup, relative to the cgroup2 mount. */
  cgroup: string;
  /** What the container writes goes here. */
  logPath: string;
  /** It has a terminal of its own; what it writes to it, and what is typed as far as it is echoed, goes to the log. */
  terminal?: true;
  /** Its standard input is kept for who attaches; `once`: up to the end of what the first one feeds it. Absent: it reads from nothing. */
  stdin?: 'open' | 'once';
  /**
   * It is started in the same plan, and all that it lives in is there already, its leaf too: so whatever of the start takes long is done
   * with its creation, up to the first process, which waits. A runtime may leave all of that to the start.
   */
  ready?: true;
}

export interface StopParams extends ContainerParams {
  /** Absent: the image's STOPSIGNAL, else SIGTERM. */
  signal?: string;
  /** Then SIGKILL, in milliseconds; 0: SIGKILL at once. */
  timeoutMs: number;
}

export interface RuntimeActions {
  createNamespace: { params: NamespaceParams; result: void };
  /** Refused while it holds other people's objects; images, leases and content of ours go with it. */
  removeNamespace: { params: NamespaceParams; result: void };
  /** Writable layer and container object; nothing runs yet. */
  create: { params: ContainerConfig; result: void };
  /** The task of a container that has ended goes, with its exit code and the cgroup it was in; one that runs stays. Absent: nothing to do. */
  clear: { params: ContainerParams; result: void };
  /** A new task, in its cgroup as that has been made ready; an ended one is removed first, with its cgroup. */
  start: { params: ContainerParams; result: { pid: number } };
  /** Waits for the exit. The ended task stays, so that its exit code can be observed. Not running: nothing to do. */
  stop: { params: StopParams; result: { exitCode?: number } };
  /** Task (killed if it runs), container object, writable layer, runc's leftovers. Absent: nothing to do. */
  remove: { params: RemoveParams; result: void };
}

/** In characters. */
export interface TerminalSize {
  columns: number;
  rows: number;
}

export interface ExecParams extends ContainerParams {
  /** Program and arguments; it is looked for in the PATH that the process has. */
  command: string[];
  /** `KEY=VALUE`; the container's own, then these. */
  env: string[];
  /** Absolute; absent: the container's own. */
  workingDir?: string;
  /** As `user` of a container; absent: the container's own. */
  user?: string;
  /** It has a terminal of its own; what it writes to it goes to stdout. */
  terminal?: TerminalSize;
  /** Descriptors of ours; they stay open. Absent: it reads from nothing. */
  stdin?: number;
  stdout: number;
  stderr: number;
}

export interface ExecProcess {
  /**
   * Its exit code, 128 + n after signal n, once what it wrote has been written. Where nobody reads our stdout any more, it gets SIGPIPE.
   * Rejects when the runtime goes away.
   */
  exited: Promise<number>;
  /** It has ended: nothing to do. */
  signal(signal: NodeJS.Signals): Promise<void>;
  /** Of its terminal. */
  resize(size: TerminalSize): Promise<void>;
}

/** The way to the input and to the terminal of a container's first process. What it writes is in its log. */
export interface ProcessInput extends Disposable {
  hasTerminal: boolean;
  /** A descriptor of ours, open without blocking, by which it is fed. Undefined: it reads nothing, or no more. */
  readonly stdin: number | undefined;
  /** There is no more to feed it with: if its input is kept `once`, it reads an end now. */
  fed(): Promise<void>;
  /** Of its terminal. It has ended: nothing to do. */
  resize(size: TerminalSize): Promise<void>;
}

export type ContainerState = 'created' | 'running' | 'paused' | 'stopped' | 'unknown';

export interface ContainerObservation extends ContainerParams {
  labels: Record<string, string>;
  image: string;
  /** `created`: never started. `stopped` without an exit code: it ran, and its task is gone (a reboot, or its shim has died). */
  state: ContainerState;
  pid?: number;
  exitCode?: number;
  /** RFC 3339, UTC. */
  startedAt?: string;
  finishedAt?: string;
}

export interface RuntimeBackend extends Backend<RuntimeActions>, Watchable {
  /** What answers: `{name: 'containerd', version: '1.6.20'}`. Throws RuntimeUnavailable. */
  ping(): Promise<{ name: string; version: string }>;
  namespaces(): Promise<{ namespace: string; ours: boolean }[]>;
  /** Throws HostNotReady, which names it, when there is no such OCI runtime here; undefined: the configured one. */
  requireOciRuntime(runtime: string | undefined): Promise<void>;
  /** The containers of ours in a namespace; empty when there is no such namespace. Only those with these labels are asked for; more may be given. */
  observe(request: NamespaceParams & { labels?: Record<string, string> }): Promise<ContainerObservation[]>;
  /**
   * Starts one more process in a running container. Rejects with the signal's reason, soon after it is aborted, and nothing is started then;
   * later the process is the caller's to end. Throws NotFound, Conflict (not running), ProgramNotFound, ProgramNotExecutable, RuntimeFailed.
   */
  exec(params: ExecParams, signal?: AbortSignal): Promise<ExecProcess>;
  /**
   * A descriptor of the root file system of a running container, with all that is mounted in it; it only names it (O_PATH). Nothing below it is to be opened
   * but by openat2(2) with RESOLVE_IN_ROOT. Throws NotFound, Conflict (not running).
   */
  openRoot(params: ContainerParams): Promise<{ fd: number } & Disposable>;
  /** Several may do so at once. Throws NotFound, Conflict (not running). */
  attach(params: ContainerParams): Promise<ProcessInput>;
  /** To the first process. It has ended, or there is none: nothing to do. */
  signal(params: ContainerParams, signal: NodeJS.Signals): Promise<void>;
  /** Resolves when it does not run, and all that it wrote is in its log. No exit code: nobody knows it. Rejects with the signal's reason. */
  wait(params: ContainerParams, signal: AbortSignal): Promise<{ exitCode?: number }>;
}
