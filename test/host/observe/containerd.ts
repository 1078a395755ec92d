/** containerd's objects in one namespace, as `ctr` lists them. `address` is containerd's socket, where it is not the default one. */
import { output } from './command.ts';

const defaultAddress = '/run/containerd/containerd.sock';

/** Standard output of `ctr -n NAMESPACE COMMAND...`. */
export function ctr(namespace: string, command: string[], address = defaultAddress): Promise<string> {
  return output('ctr', '--address', address, '--namespace', namespace, ...command);
}

/** Rows of a table that ctr prints with a heading. */
async function rows(namespace: string, command: string[], address?: string): Promise<string[][]> {
  const [, ...lines] = (await ctr(namespace, command, address)).trim().split('\n');
  return lines.map(line => line.trim().split(/\s+/)).sort();
}

async function names(namespace: string, command: string[], address?: string): Promise<string[]> {
  return (await ctr(namespace, [...command, '--quiet'], address)).split('\n').filter(Boolean).sort();
}

export const namespaces = (address?: string): Promise<string[]> => names('default', ['namespaces', 'ls'], address);
export const containers = (namespace: string, address?: string): Promise<string[]> =>
  names(namespace, ['containers', 'ls'], address);
export const images = (namespace: string, address?: string): Promise<string[]> =>
  names(namespace, ['images', 'ls'], address);
export const leases = (namespace: string, address?: string): Promise<string[]> =>
  names(namespace, ['leases', 'ls'], address);
/** Digests. */
export const content = (namespace: string, address?: string): Promise<string[]> =>
  names(namespace, ['content', 'ls'], address);

export interface Task {
  id: string;
  pid: number;
  /** RUNNING, STOPPED, CREATED, PAUSED. */
  status: string;
}

export async function tasks(namespace: string, address?: string): Promise<Task[]> {
  const table = await rows(namespace, ['tasks', 'ls'], address);
  return table.map(([id = '', pid = '', status = '']) => ({ id, pid: Number(pid), status }));
}

export interface Snapshot {
  key: string;
  parent: string;
  /** Active, Committed, View. */
  kind: string;
}

/** Snapshots of the overlayfs snapshotter. */
export async function snapshots(namespace: string, address?: string): Promise<Snapshot[]> {
  const table = await rows(namespace, ['snapshots', 'ls'], address);
  return table.map(row => ({
    key: row[0] ?? '',
    parent: row.length > 2 ? (row[1] ?? '') : '',
    kind: row.at(-1) ?? '',
  }));
}

/** Labels of a namespace, container, or image, as ctr prints them: `key=value`. */
export async function labels(
  kind: 'namespaces' | 'containers' | 'images',
  name: string,
  namespace: string,
  address?: string,
): Promise<string[]> {
  if (kind === 'containers') {
    const info = JSON.parse(await ctr(namespace, ['containers', 'info', name], address)) as {
      Labels?: Record<string, string>;
    };
    return Object.entries(info.Labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .sort();
  }
  const row = (await rows(namespace, [kind, 'ls'], address)).find(([first]) => first === name);
  return (row?.at(-1) ?? '')
    .split(',')
    .filter(label => label.includes('='))
    .sort();
}
