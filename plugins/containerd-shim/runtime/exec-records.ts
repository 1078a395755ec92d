/**
 * Which execs are under way: a folder each in /run/kukeon, named after the kuke that it belongs to, with its FIFOs and what it runs in. A kuke
 * that is killed leaves the folder, and the process in the container; the next exec on this host, whatever its container, ends both, unless
 * that takes long elsewhere; the removal of the container and `kuke doctor --fix` do so too.
 */
import { closeSync, constants, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ContainerParams, type Finding, KukeError, shellCommand } from 'kuke/plugin';
import { identify, pidNamespace } from '../../../src/host/pidfd.ts';
import { type Containerd, inNamespace } from '../containerd.ts';
import { discard } from './exec.ts';

const FOLDER = '/run/kukeon';
const PLACE = 'place';
const BOTH_ENDS = constants.O_RDWR | constants.O_NONBLOCK;
/** Its pid namespace, pid and start time. */
const NAME = /^exec-(\d+)-(\d+)-(\d+)-\w+$/;

export interface ExecPlace {
  /** Of containerd. */
  socket: string;
  namespace: string;
  id: string;
}

export interface ExecRecord {
  execId: string;
  /** Only we can read it. */
  folder: string;
  /** It is over, and nothing of it is left. */
  forget(): void;
  /** It is over, and could not be taken away: the next one is to do that. */
  leave(): void;
}

/** Those of this process. */
const underWay = new Set<string>();

/** Before the exec is made. */
export function noteExec(place: ExecPlace): ExecRecord {
  const self = identify(process.pid);
  if (self === undefined) throw new Error('/proc does not know this process');
  const execId = `exec-${namespaceNumber()}-${self.pid}-${self.startTime}-${crypto.randomUUID().slice(0, 8)}`;
  const folder = join(FOLDER, execId);
  mkdirSync(FOLDER, { recursive: true });
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(join(folder, PLACE), JSON.stringify(place));
  underWay.add(execId);
  const leave = () => void underWay.delete(execId);
  const forget = () => {
    rmSync(folder, { recursive: true, force: true });
    leave();
  };
  return { execId, folder, forget, leave };
}

/** Nobody waits longer for what is not in the same container. */
const ELSEWHERE_MS = 500;

/**
 * Ends what dead kukes have left with this containerd. What cannot be ended now keeps its record. Resolves when that is done in this
 * container, or the signal is aborted.
 */
export async function endLeftExecs(
  containerd: Containerd,
  { namespace, id }: ContainerParams,
  signal: AbortSignal,
): Promise<void> {
  const left = leftExecs().map(execId => ({ execId, place: placeOf(join(FOLDER, execId)) }));
  const isHere = (place: ExecPlace | undefined) => place?.namespace === namespace && place.id === id;
  const ended = (ones: typeof left) =>
    Promise.all(ones.map(({ execId, place }) => endLeft(containerd, execId, place).catch(() => {})));
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const late = setTimeout(resolve, ELSEWHERE_MS);
  const elsewhere = Promise.race([ended(left.filter(({ place }) => !isHere(place))), over]);
  const here = ended(left.filter(({ place }) => isHere(place)));
  await unlessAborted(Promise.all([here, elsewhere]), signal);
  clearTimeout(late);
}

async function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const { promise: calledOff, resolve } = Promise.withResolvers<void>();
  const callOff = () => resolve();
  signal.addEventListener('abort', callOff, { once: true });
  await Promise.race([work, calledOff]);
  signal.removeEventListener('abort', callOff);
}

/** What may still run in containers though its kuke has died. */
export function leftExecFindings(containerd: Containerd): Finding[] {
  return leftExecs().flatMap(execId => {
    const place = placeOf(join(FOLDER, execId));
    if (place !== undefined && place.socket !== containerd.socket) return [];
    const where = place === undefined ? 'of which nothing was made' : `in container ${place.id} of ${place.namespace}`;
    return {
      level: 'error' as const,
      code: 'ExecLeft',
      what: `an exec that nobody is at any more, ${where}: ${join(FOLDER, execId)}`,
      byHand: () => explainEnd(execId, place),
      async fix() {
        if (!(await endLeft(containerd, execId, place)))
          throw new KukeError('RuntimeFailed', 'it could not be ended yet');
      },
    };
  });
}

function explainEnd(execId: string, place: ExecPlace | undefined): string {
  const forget = shellCommand('rm', '-r', join(FOLDER, execId));
  if (place === undefined) return forget;
  const { namespace, id } = place;
  const tasks = (...words: string[]) =>
    shellCommand('ctr', '-n', namespace, 'tasks', ...words, '--exec-id', execId, id);
  const end = [tasks('kill', '--signal', 'SIGKILL'), tasks('rm', '--force')].map(one => `${one} || true`);
  return [...end, forget].join('\n');
}

/** The container goes, and what dead kukes have left in it with it. */
export function forgetExecsIn({ socket, namespace, id }: ExecPlace): void {
  for (const execId of leftExecs()) {
    const folder = join(FOLDER, execId);
    const place = placeOf(folder);
    if (place?.socket === socket && place.namespace === namespace && place.id === id) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** False: it could not be ended, or is not this containerd's. */
async function endLeft(containerd: Containerd, execId: string, place: ExecPlace | undefined): Promise<boolean> {
  const folder = join(FOLDER, execId);
  if (place !== undefined) {
    if (place.socket !== containerd.socket) return false;
    const client = inNamespace(containerd, place.namespace);
    // A shim that is only just starting the process waits for somebody at the other ends, 30 s long, and cannot end it as long as it waits.
    const ends = readdirSync(folder)
      .filter(name => name !== PLACE)
      .map(name => openSync(join(folder, name), BOTH_ENDS));
    try {
      if (!(await discard(client, { containerId: place.id, execId }))) return false;
    } finally {
      for (const fd of ends) closeSync(fd);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  return true;
}

/** Undefined: its kuke died before anything was made. */
function placeOf(folder: string): ExecPlace | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, PLACE), 'utf8')) as ExecPlace;
  } catch {
    return undefined;
  }
}

/** Of a kuke in another pid namespace nobody can say here whether it lives. */
function leftExecs(): string[] {
  const own = namespaceNumber();
  try {
    return readdirSync(FOLDER).filter(name => {
      const [, namespace, pid, startTime] = NAME.exec(name) ?? [];
      if (namespace !== own || underWay.has(name)) return false;
      return Number(pid) === process.pid || identify(Number(pid))?.startTime !== Number(startTime);
    });
  } catch {
    return []; // no such folder
  }
}

const namespaceNumber = (): string => pidNamespace().replace(/\D/g, '');
