/** What is mounted into a container: the kernel's file systems, binds and tmpfs. */
import { statSync } from 'node:fs';
import { type ContainerMount, KukeError, mountTarget, mountTargetFault, type OciMount } from 'kuke/plugin';
import { hasCode } from '../../../src/host/errno.ts';
import { kernelMounts } from './defaults.ts';

/** Kernel from which on a mount can be made read-only together with all that is mounted below it (mount_setattr(2)). */
const RECURSIVE_READ_ONLY = [5, 12] as const;

/**
 * The kernel's file systems, then the manifest's mounts, parents before children; one of the manifest's at the place of a default
 * replaces it. Throws InvalidManifest for a target outside the root file system or named twice, NotFound for a missing source.
 */
export function containerMounts(
  mounts: readonly ContainerMount[],
  { privileged, kernel }: { privileged: boolean; kernel: readonly [number, number] },
): OciMount[] {
  const recursive =
    kernel[0] > RECURSIVE_READ_ONLY[0] || (kernel[0] === RECURSIVE_READ_ONLY[0] && kernel[1] >= RECURSIVE_READ_ONLY[1]);
  const wanted = mounts.map(mount => ociMount(mount, recursive ? 'rro' : 'ro'));
  const targets = new Set<string>();
  for (const { destination } of wanted) {
    if (targets.has(destination)) throw invalid(destination, 'two mounts have this target');
    targets.add(destination);
  }
  const defaults = kernelMounts(privileged).filter(({ destination }) => !targets.has(destination));
  return [...defaults, ...wanted].toSorted((a, b) => depth(a.destination) - depth(b.destination));
}

function ociMount(mount: ContainerMount, readOnlyOption: string): OciMount {
  const destination = target(mount.target);
  if (mount.kind === 'bind') {
    const options = ['rbind', 'rprivate', mount.readOnly === true ? readOnlyOption : 'rw'];
    return { destination, type: 'bind', source: source(mount), options };
  }
  if (mount.mode !== undefined && !/^[0-7]{1,4}$/.test(mount.mode))
    throw invalid(destination, `mode ${mount.mode} is not octal`);
  return {
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: [
      mount.readOnly === true ? 'ro' : 'rw',
      'nosuid',
      'nodev',
      'noexec',
      `mode=${mount.mode ?? '1777'}`,
      ...(mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`]),
    ],
  };
}

function target(path: string): string {
  const fault = mountTargetFault(path);
  if (fault !== undefined) throw invalid(path, fault);
  return mountTarget(path);
}

function source(mount: ContainerMount): string {
  const path = mount.source ?? '';
  if (!path.startsWith('/'))
    throw invalid(mount.target, `its source ${JSON.stringify(path)} is not an absolute path`, 'source');
  if (mount.later === true) return path;
  try {
    statSync(path);
    return path;
  } catch (cause) {
    const [code, fault] = hasCode(cause, 'ENOENT')
      ? (['NotFound', 'is not there'] as const)
      : (['InvalidManifest', cause instanceof Error ? cause.message : String(cause)] as const);
    throw new KukeError(code, `source ${path} of the volume at ${mount.target}: ${fault}`, {
      field: 'volumes.source',
      remedy: 'make it on the host first',
      cause,
    });
  }
}

function invalid(path: string, fault: string, field: 'source' | 'target' = 'target'): KukeError {
  return new KukeError('InvalidManifest', `mount at ${JSON.stringify(path)}: ${fault}`, { field: `volumes.${field}` });
}

const depth = (path: string) => path.split('/').length;
