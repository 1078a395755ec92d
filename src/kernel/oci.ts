/** The part of the OCI runtime configuration that kuke writes and hooks may change (runtime-spec, config.md and config-linux.md). */

export interface OciMount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

export interface OciSyscallRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
}

export interface OciSpec {
  ociVersion: string;
  process: {
    terminal?: boolean;
    /** In characters. */
    consoleSize?: { width: number; height: number };
    user: { uid: number; gid: number; additionalGids?: number[]; umask?: number };
    args: string[];
    env: string[];
    cwd: string;
    capabilities?: Partial<Record<'bounding' | 'effective' | 'inheritable' | 'permitted' | 'ambient', string[]>>;
    noNewPrivileges?: boolean;
    apparmorProfile?: string;
    oomScoreAdj?: number;
    rlimits?: { type: string; hard: number; soft: number }[];
  };
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: OciMount[];
  annotations?: Record<string, string>;
  linux: {
    namespaces: { type: string; path?: string }[];
    cgroupsPath?: string;
    resources?: {
      devices?: { allow: boolean; type?: string; major?: number; minor?: number; access?: string }[];
      [controller: string]: unknown;
    };
    devices?: {
      path: string;
      type: string;
      major: number;
      minor: number;
      fileMode?: number;
      uid?: number;
      gid?: number;
    }[];
    maskedPaths?: string[];
    readonlyPaths?: string[];
    sysctl?: Record<string, string>;
    seccomp?: {
      defaultAction: string;
      defaultErrnoRet?: number;
      architectures?: string[];
      flags?: string[];
      syscalls?: OciSyscallRule[];
    };
    rootfsPropagation?: string;
  };
}
