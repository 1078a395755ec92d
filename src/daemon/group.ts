/** The system group whose members may use kukeond's socket. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../host/atomic-file.ts';
import { PATH, scrubbedEnvironment } from '../host/environment.ts';
import { DAEMON_GROUP } from '../kernel/daemon-places.ts';
import { groupId } from '../kernel/system-accounts.ts';

/** In the run path: kuke has made the group, and so takes it away. */
const RECORD = '.kuke/group';

/** Makes the group where there is none. Returns why it could not be made; the socket is root's alone then. */
export async function makeGroup(runPath: string): Promise<string | undefined> {
  if (groupId(DAEMON_GROUP) !== undefined) return undefined;
  const record = join(runPath, RECORD);
  mkdirSync(join(runPath, '.kuke'), { recursive: true });
  // First: of a kuke that dies in between, the next one knows whose it is.
  await replaceFile(record, `${DAEMON_GROUP}\n`, { mode: 0o600 });
  const fault = await account(['groupadd', '--system', DAEMON_GROUP], ['addgroup', '-S', DAEMON_GROUP]);
  if (fault !== undefined) rmSync(record, { force: true });
  return fault;
}

/** To be asked while the run path is still there. */
export function isOwnGroup(runPath: string): boolean {
  const record = join(runPath, RECORD);
  return existsSync(record) && readFileSync(record, 'utf8').trim() === DAEMON_GROUP;
}

/** Returns why it could not be taken away. */
export async function removeGroup(): Promise<string | undefined> {
  if (groupId(DAEMON_GROUP) === undefined) return undefined;
  return account(['groupdel', DAEMON_GROUP], ['delgroup', DAEMON_GROUP]);
}

/** By shadow's tools, or else busybox'. */
async function account(...commands: string[][]): Promise<string | undefined> {
  const command = commands.find(([name = '']) => Bun.which(name, { PATH }) !== null);
  if (command === undefined) return `there is no ${commands.map(([name]) => name).join(' and no ')}`;
  const [name = '', ...args] = command;
  const program = Bun.which(name, { PATH }) ?? name;
  const child = Bun.spawn([program, ...args], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    env: scrubbedEnvironment(),
    cwd: '/',
  });
  const [said, status] = await Promise.all([child.stderr.text(), child.exited]);
  return status === 0 ? undefined : said.trim() || `${name}: exit status ${status}`;
}
