/** What of this host decides how a container can run. */
import { release } from 'node:os';
import { checked, close, libc } from '../../../src/host/libc.ts';
import { hostPlatform } from '../images/platform.ts';
import { boundingSet } from '../oci/capabilities.ts';
import type { Host } from '../oci/spec.ts';

/** `socket` is containerd's: what that process may not have, none of its containers can. */
export function readHost(socket: string): Host {
  const [major = 0, minor = 0] = release().split('.').map(Number.parseFloat);
  return {
    arch: hostPlatform.replace(/^linux\//, ''),
    kernel: [major, minor],
    capabilities: capabilitiesBehind(socket),
  };
}

function capabilitiesBehind(socket: string): Set<string> {
  const pid = listenerPid(socket);
  try {
    return boundingSet(pid > 0 ? pid : 'self');
  } catch {
    return boundingSet('self');
  }
}

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0x80001;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** The process that listens on a unix socket (SO_PEERCRED, unix(7)); 0 if it is in another pid namespace. Throws SystemError. */
export function listenerPid(path: string): number {
  const address = Buffer.alloc(110); // struct sockaddr_un
  address.writeUInt16LE(AF_UNIX);
  if (address.write(path, 2) < Buffer.byteLength(path) || path.includes('\0'))
    throw new RangeError(`too long: ${path}`);
  const fd = checked('socket', libc().socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0));
  try {
    checked('connect', libc().connect(fd, address, address.length), path);
    const credentials = new Int32Array(3); // struct ucred {pid, uid, gid}
    const length = new Uint32Array([credentials.byteLength]);
    checked('getsockopt', libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length), path);
    return credentials[0] ?? 0;
  } finally {
    close(fd);
  }
}
