/** The daemon's socket: 0660 root:kukeon, or root's alone where there is no such group (spec.md §2). */
import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { KukeError } from '../../kernel/errors.ts';
import { asFileError } from '../../kernel/file-errors.ts';
import { groupId } from '../../kernel/system-accounts.ts';

/** More than a second's worth of clients that all come at once. */
const BACKLOG = 1024;

/**
 * Binds the path; a socket that is there is replaced, so whoever calls this holds the lock of the one daemon. Throws Conflict for what is
 * no socket.
 */
export async function listenOn(path: string, group: string, connected: (socket: Socket) => void): Promise<Server> {
  removeSocket(path);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: false }, connected);
  const mask = process.umask(0o177); // until the group has it, it is root's alone
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', thrown => reject(asFileError(thrown)));
      server.listen({ path, backlog: BACKLOG }, resolve);
    });
  } finally {
    process.umask(mask);
  }
  const gid = groupId(group);
  if (gid !== undefined) {
    chownSync(path, 0, gid);
    chmodSync(path, 0o660);
  } else chmodSync(path, 0o600);
  return server;
}

/** Throws Conflict for what is no socket. */
export function removeSocket(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new KukeError('Conflict', `${path} is there, and is no socket`, { remedy: 'remove it' });
  unlinkSync(path);
}
