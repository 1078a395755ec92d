/** Which OCI runtime the shim is to call for a container, and whether it is there. */
import { asKukeError, KukeError, refuseWritable } from 'kuke/plugin';
import { PATH } from '../../../src/host/environment.ts';
import { changeableByOthers } from '../../../src/host/trusted-path.ts';
import { type Container, readRuncOptions, runcOptions } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';

/** What the shim calls when nobody says another. */
const SHIMS_OWN = 'runc';

/** For `Container.runtime`: a container keeps the OCI runtime that it was made for, whatever is configured later. */
export function runtimeOf({ shim: name, runtime }: Containerd, asked: string | undefined): Container['runtime'] {
  const binaryName = asked ?? runtime;
  return { name, options: binaryName === SHIMS_OWN ? undefined : runcOptions({ binaryName }) };
}

/** The OCI runtime of a container that is there. */
export function ociRuntimeOf({ runtime }: Container): string {
  const options = runtime?.options;
  return (options && readRuncOptions(options)?.binaryName) || SHIMS_OWN;
}

/** Its path. Throws HostNotReady when it is not there, or when others than root could have put it there. */
export function requireOciRuntime(name: string): string {
  const path = Bun.which(name, { PATH });
  if (path === null) {
    throw new KukeError('HostNotReady', `there is no OCI runtime ${name}`, {
      field: 'runtime',
      remedy: name.startsWith('/') ? 'install it there, or name another' : `install it (\`apt-get install ${name}\`)`,
    });
  }
  try {
    refuseWritable(path, changeableByOthers);
  } catch (error) {
    const { message, remedy } = asKukeError(error);
    throw new KukeError('HostNotReady', `OCI runtime: ${message}`, { field: 'runtime', ...(remedy && { remedy }) });
  }
  return path;
}
