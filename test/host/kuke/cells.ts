/** Cells and what runs in them: manifests, one image for all tests, and a look inside. */
import { readFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { busybox, dockerArchive, type TestImage } from '../image.ts';
import { output } from '../observe/command.ts';
import { get, run } from './kuke.ts';

export const IMAGE = 'docker.io/library/test:1';

/** Says `ready`, runs, and ends well on SIGTERM at once. */
export const WAIT = 'trap "exit 0" TERM; echo ready; sleep 100000 & wait';

/** Loads `IMAGE`, whose command is `WAIT`, or what differs from it. */
export async function loadImage(image: Partial<TestImage> = {}, realm = 'main'): Promise<void> {
  const { name = IMAGE, layers = [busybox(), { 'srv/file': 'from the image\n' }] } = image;
  const config = image.config ?? { Cmd: ['/bin/sh', '-c', WAIT], Env: ['PATH=/bin'] };
  const { status, stderr } = await run(['image', 'load', '-i', '-', '--realm', realm], {
    stdin: dockerArchive({ ...image, name, layers, config }),
  });
  if (status !== 0) throw new Error(`image load: exit code ${status}: ${stderr}`);
}

type Fields = Record<string, unknown>;

/** Runs `IMAGE`. */
export const container = (id: string, fields: Fields = {}) => ({ id, image: IMAGE, ...fields });

export const shell = (id: string, script: string, fields: Fields = {}) =>
  container(id, { command: ['/bin/sh', '-c', script], ...fields });

/** In main/default/default, where `spec` says nothing else. */
export const cell = (name: string, containers: Fields[] = [container('main')], spec: Fields = {}) =>
  manifest('Cell', name, { ...spec, containers });

export const manifest = (kind: string, name: string, spec: Fields = {}, metadata: Fields = {}) => ({
  apiVersion: 'v1beta1',
  kind,
  metadata: { name, ...metadata },
  spec,
});

export interface ContainerStatus {
  id: string;
  containerdId: string;
  state: string;
  pid?: number;
  exitCode?: number;
  startedAt?: string;
  finishedAt?: string;
  restarts: number;
}

/** As `get cell NAME -o json` prints it. */
export interface Cell {
  metadata: { name: string; labels?: Record<string, string> };
  spec: Fields & { desiredState?: string; containers: (Fields & { id: string; image: string })[] };
  status: {
    state: string;
    reason?: string;
    message?: string;
    observedAt: string;
    cgroupPath: string;
    attachments: { network: string; interface: string; addresses: string[]; gateway: string; attachmentId: string }[];
    containers: ContainerStatus[];
  };
}

export const getCell = (name: string, ...flags: string[]): Promise<Cell> => get<Cell>('cell', name, ...flags);

/** Its state, with the reason where there is one: `Failed RootExited`. */
export async function stateOf(name: string, ...flags: string[]): Promise<string> {
  const { status } = await getCell(name, ...flags);
  return [status.state, status.reason].filter(Boolean).join(' ');
}

/** Asks until it is so; for what a process does in its own time. */
export async function untilState(name: string, wanted: string, ...flags: string[]): Promise<Cell['status']> {
  return eventually(async () => {
    const { status } = await getCell(name, ...flags);
    return status.state === wanted ? status : undefined;
  }, 60_000);
}

/** Of its containers that run, by their names. */
export async function pidsOf(name: string, ...flags: string[]): Promise<Record<string, number>> {
  const { status } = await getCell(name, ...flags);
  return Object.fromEntries(status.containers.flatMap(({ id, pid }) => (pid === undefined ? [] : [[id, pid]])));
}

/** Its addresses, one a network, without prefix length. */
export async function addressesOf(name: string, ...flags: string[]): Promise<string[]> {
  const { status } = await getCell(name, ...flags);
  return status.attachments.flatMap(({ addresses }) => addresses.map(address => address.split('/')[0] ?? ''));
}

/** Standard output of a shell script in a running container, with its root file system and all of its namespaces. */
export function inContainer(pid: number, script: string): Promise<string> {
  return output('nsenter', '--target', `${pid}`, '--all', '/bin/sh', '-c', `export PATH=/bin; ${script}`);
}

/** A file as a running container sees it. */
export const fileIn = (pid: number, path: string): string => readFileSync(`/proc/${pid}/root${path}`, 'utf8');

export const logFile = (name: string, id: string, scope = 'main/default/default'): string =>
  `/var/log/kukeon/${scope}/${name}/${id}.log`;

export const log = (name: string, id: string): string => readFileSync(logFile(name, id), 'utf8');

/** The log, once there is something in it that matches. */
export async function logged(name: string, id: string, what: RegExp): Promise<string> {
  return eventually(async () => {
    const text = log(name, id);
    return what.test(text) ? text : undefined;
  }, 60_000);
}
