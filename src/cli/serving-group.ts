/** What who is not root can do where kukeond serves a group. */
import { existsSync } from 'node:fs';
import { DAEMON_GROUP } from '../kernel/daemon-places.ts';
import { groupId } from '../kernel/system-accounts.ts';
import { isOwnCommand, SOCKET } from './console/where.ts';

/** Undefined: nothing that an error does not say anyway. `word`: of the command. */
export function groupRemedy(word: string | undefined): string | undefined {
  if (isOwnCommand(word) || !existsSync(SOCKET)) return undefined;
  const group = groupId(DAEMON_GROUP);
  const own = [process.getegid?.(), ...(process.getgroups?.() ?? [])];
  if (group === undefined || own.includes(group)) return undefined;
  return `run it with sudo, or be in the group that kukeond serves: \`sudo usermod -aG ${DAEMON_GROUP} $USER\`, from the next login on`;
}
