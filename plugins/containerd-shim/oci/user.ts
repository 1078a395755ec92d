/** Which user and groups a container's process has, from the image's own /etc/passwd and /etc/group (passwd(5), group(5)). */
import { KukeError } from 'kuke/plugin';

export interface ResolvedUser {
  uid: number;
  gid: number;
  /** With the primary one: a process without supplementary groups would keep the runtime's own (CVE-2022-36109). */
  additionalGids: number[];
  /** `/` if passwd has no entry or no directory for it. */
  home: string;
}

export interface UserFiles {
  /** Contents of the image's /etc/passwd and /etc/group; undefined when there is none. */
  passwd?: string | undefined;
  group?: string | undefined;
}

const MAX_ID = 0x7fffffff;

/**
 * Resolves `name`, `uid`, `name:group` or `uid:gid` as Docker does; `''` is root. A number needs no entry. A group that is named
 * leaves out the user's supplementary ones. Throws `code` for a name that the image does not have.
 */
export function resolveUser(user: string, files: UserFiles, code: 'InvalidManifest' | 'InvalidImage'): ResolvedUser {
  const [userPart = '', groupPart = ''] = user.split(':', 2);
  const fail = (what: string): never => {
    throw new KukeError(code, `user ${JSON.stringify(user)}: ${what}`, {
      field: 'user',
      remedy: 'give a user of the image, or numbers: `1000:1000`',
    });
  };
  const users = records(files.passwd);
  const groups = records(files.group);

  const wanted = userPart === '' ? '0' : userPart;
  const entry = users.find(([name]) => name === wanted) ?? users.find(([, , uid]) => uid === wanted);
  const uid = numeric(entry?.[2] ?? wanted) ?? fail(`no ${wanted} in the image's /etc/passwd`);
  const home = entry?.[5] || '/';
  if (groupPart !== '') {
    const group = groups.find(([name]) => name === groupPart);
    const gid = numeric(group?.[2] ?? groupPart) ?? fail(`no ${groupPart} in the image's /etc/group`);
    return { uid, gid, additionalGids: [gid], home };
  }
  const gid = numeric(entry?.[3] ?? '0') ?? fail(`the image's /etc/passwd gives ${wanted} no group`);
  const name = entry?.[0];
  const memberOf = groups
    .filter(([, , , members = '']) => name !== undefined && members.split(',').includes(name))
    .map(([, , id = '']) => numeric(id))
    .filter(id => id !== undefined);
  return { uid, gid, additionalGids: [...new Set([gid, ...memberOf])], home };
}

function records(text = ''): string[][] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => line.split(':'));
}

function numeric(text: string): number | undefined {
  const number = /^\d+$/.test(text) ? Number(text) : undefined;
  return number !== undefined && number <= MAX_ID ? number : undefined;
}
