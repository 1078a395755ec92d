/** The OCI runtime configuration of a container (runtime-spec, config.md and config-linux.md). */
import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import type { ContainerConfig, ImageConfig, OciSpec } from 'kuke/plugin';
import { sysctlPath } from '../../../src/host/sysctl.ts';
import { grantedCapabilities } from './capabilities.ts';
import { MASKED_PATHS, NETWORK_SYSCTLS, READONLY_PATHS } from './defaults.ts';
import { containerDevices } from './devices.ts';
import { containerMounts } from './mounts.ts';
import { processArgs, processCwd, processEnv } from './process.ts';
import { resolveProfile } from './seccomp.ts';
import { security } from './security.ts';
import type { ResolvedUser } from './user.ts';

/** What of this host decides. */
export interface Host {
  /** Go's name: `amd64`, `arm64`. */
  arch: string;
  /** Kernel version: `[6, 1]`. */
  kernel: readonly [number, number];
  /** What the runtime itself may have. */
  capabilities: ReadonlySet<string>;
}

export interface SpecInput {
  config: ContainerConfig;
  image: ImageConfig;
  user: ResolvedUser;
  host: Host;
}

// One shim serves all containers with the same value.
const SHIM_GROUP = 'io.containerd.runc.v2.group';

/** Throws InvalidManifest, Unsupported, NotFound or CommandNotFound, each naming the field. */
export function buildSpec({ config, image, user, host }: SpecInput): OciSpec {
  const { privileged } = config;
  const { noNewPrivileges, seccomp } = security(config.securityOpts, privileged);
  const capabilities = grantedCapabilities({ privileged, ...config.capabilities, available: host.capabilities });
  const { devices, rules } = containerDevices(config.devices, privileged);
  return {
    ociVersion: '1.0.2',
    process: {
      ...(config.terminal && { terminal: true, consoleSize: { width: 80, height: 24 } }),
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: processArgs(config, image),
      env: processEnv(config, image, {
        hostname: config.hostname,
        home: user.home,
        hasTerminal: config.terminal === true,
      }),
      cwd: processCwd(config, image),
      // Neither inheritable nor ambient: they would outlive the change to another user (CVE-2022-24769).
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges,
    },
    root: { path: 'rootfs', readonly: config.readOnlyRootFilesystem },
    hostname: config.hostname,
    mounts: containerMounts(config.mounts, { privileged, kernel: host.kernel }),
    annotations: { [SHIM_GROUP]: config.group },
    linux: {
      namespaces: namespaces(config.netns),
      cgroupsPath: posix.join('/', config.cgroup),
      // Nothing but devices: a controller that this host lacks would make the runtime fail, and limits are the cgroup backend's.
      resources: { devices: rules },
      devices,
      ...(!privileged && { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
      ...(config.netns !== undefined && { sysctl: networkSysctls() }),
      ...(seccomp !== undefined && { seccomp: resolveProfile(seccomp, { ...host, capabilities }) }),
    },
  };
}

/** Only the network is shared within a cell; everything else is a container's own. */
function namespaces(netns: string | undefined): OciSpec['linux']['namespaces'] {
  const own = ['pid', 'ipc', 'uts', 'mount', 'cgroup'].map(type => ({ type }));
  return netns === undefined ? own : [...own, { type: 'network', path: netns }];
}

function networkSysctls(): Record<string, string> {
  return Object.fromEntries(Object.entries(NETWORK_SYSCTLS).filter(([name]) => existsSync(sysctlPath(name))));
}
