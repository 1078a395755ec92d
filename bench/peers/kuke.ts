/** kuke: one command from a manifest to a Ready cell. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { IMAGE, loadImage } from '../../test/host/kuke/cells.ts';
import { binary, kuke as kukeWell } from '../../test/host/kuke/kuke.ts';
import { COMMAND, done, type Peer } from './peer.ts';

const FOLDER = '/root/manifests';

const container = (id: string) => ({ id, image: IMAGE, command: COMMAND });

/** Path of a file with these cells. */
export function manifests(name: string, cells: string[], containers = 1): string {
  const documents = cells.map(cell => ({
    apiVersion: 'v1beta1',
    kind: 'Cell',
    metadata: { name: cell },
    spec: { containers: Array.from({ length: containers }, (_, index) => container(`c${index}`)) },
  }));
  mkdirSync(FOLDER, { recursive: true });
  const path = `${FOLDER}/${name}.yaml`;
  writeFileSync(path, documents.map(document => JSON.stringify(document)).join('\n---\n'));
  return path;
}

export const run = (...args: string[]): Promise<void> => done([binary, ...args]);

/** containerd runs. */
export async function kuke(): Promise<Peer & { two(pod: string): Promise<void> }> {
  await kukeWell('init');
  await loadImage();
  const remove = (pods: string[]) => run('delete', '-f', manifests('clear', pods), '--cascade');
  return {
    name: 'kuke',
    up: pod => run('apply', '-f', manifests(pod, [pod])),
    two: pod => run('apply', '-f', manifests(pod, [pod], 2)),
    down: pod => run('delete', 'cell', pod, '--cascade'),
    clear: remove,
  };
}
