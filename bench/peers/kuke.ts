/** kuke: one command from a manifest to a Ready cell, in its own process or in kukeond's. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
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

export interface KukePeer extends Peer {
  /** A pod with two containers. */
  two(pod: string): Promise<void>;
}

/** containerd runs. */
export async function kuke(): Promise<KukePeer> {
  await kukeWell('init');
  await loadImage();
  return peerOf('kuke', run);
}

/** How long kukeond looks at what happened while it was held, before anything is measured. */
const LOOK_MS = 300;

export interface DaemonPeer extends KukePeer, AsyncDisposable {
  pid: number;
  run(...args: string[]): Promise<void>;
  awake(isAwake: boolean): Promise<void>;
}

/** The same commands where kukeond runs; it is held by SIGSTOP while others are measured, so as not to disturb them. After `kuke`. */
export async function throughKukeond(): Promise<DaemonPeer> {
  const daemon = Bun.spawn([binary, 'daemon', 'serve'], { stdio: ['ignore', 'ignore', 'ignore'] });
  const env = { ...process.env, KUKE_NO_DAEMON: '' };
  const runThere = (...args: string[]) => done([binary, ...args], { env });
  while (!existsSync('/run/kukeon/kukeond.sock')) await Bun.sleep(20);
  const peer: DaemonPeer = {
    ...peerOf('kuke, through kukeond', runThere),
    pid: daemon.pid,
    run: runThere,
    async awake(isAwake) {
      daemon.kill(isAwake ? 'SIGCONT' : 'SIGSTOP');
      if (!isAwake) return;
      await runThere('get', 'cells');
      await Bun.sleep(LOOK_MS);
    },
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGCONT');
      daemon.kill('SIGTERM');
      await daemon.exited;
    },
  };
  await peer.awake(true);
  await peer.awake(false);
  return peer;
}

function peerOf(name: string, runIt: typeof run): KukePeer {
  return {
    name,
    up: pod => runIt('apply', '-f', manifests(pod, [pod])),
    two: pod => runIt('apply', '-f', manifests(pod, [pod], 2)),
    down: pod => runIt('delete', 'cell', pod, '--cascade'),
    clear: pods => runIt('delete', '-f', manifests('clear', pods), '--cascade'),
  };
}
