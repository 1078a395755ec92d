/** Who is at the other end of a Unix socket: SO_PEERCRED, unix(7). */
import { checked, libc } from './libc.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

export interface PeerCredentials {
  /** As this pid namespace sees it; 0: from outside of it. */
  pid: number;
  uid: number;
  gid: number;
}

/** As they were when the peer connected. Throws SystemError. */
export function peerCredentials(fd: number): PeerCredentials {
  const credentials = new Int32Array(3); // struct ucred {pid_t pid; uid_t uid; gid_t gid}
  const length = Uint32Array.of(credentials.byteLength);
  checked('getsockopt', libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length), 'SO_PEERCRED');
  const [pid = 0, uid = 0, gid = 0] = credentials;
  return { pid, uid: uid >>> 0, gid: gid >>> 0 };
}
