/** Names and numbers of users and groups, by /etc/passwd and /etc/group: what is known of them without asking a directory service. */
import { readFileSync } from 'node:fs';

/** Undefined: there is none of that name there. */
export function groupId(name: string, file = '/etc/group'): number | undefined {
  const id = linesOf(file).find(([first]) => first === name)?.[2];
  return id !== undefined && /^\d+$/.test(id) ? Number(id) : undefined;
}

export function userName(uid: number, file = '/etc/passwd'): string | undefined {
  return linesOf(file).find(fields => fields[2] === String(uid))?.[0];
}

function linesOf(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map(line => line.split(':'));
  } catch {
    return [];
  }
}
