/**
 * The standard input of a container's first process: a FIFO in /run/kukeon. The shim holds both of its ends (containerd 1.6 to 2.1, openStdin in
 * pkg/process/init.go), so it has no end of file when nobody feeds it any more, and needs none of us: not before Tasks.CloseIO does it end.
 */
import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ContainerParams, instanceTag } from 'kuke/plugin';
import { hasCode } from '../../../src/host/errno.ts';
import { checked, cstring, libc } from '../../../src/host/libc.ts';
import type { Container } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';
import { STDIN } from '../labels.ts';

const { O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants;

const FOLDER = '/run/kukeon';
const prefix = (instance: string): string => `stdin-${instanceTag(instance)}-`;

/** Of no two containers, whosever they are. */
function inputPath(instance: string, { namespace, id }: ContainerParams): string {
  const hash = new Bun.CryptoHasher('sha256').update([instance, namespace, id].join('\0')).digest('hex');
  return join(FOLDER, `${prefix(instance)}${hash.slice(0, 16)}`);
}

/** What the task is to be given; nothing, if its input is not kept. Throws SystemError. */
export async function makeInput(
  containerd: Containerd,
  namespace: string,
  { id, labels }: Container,
): Promise<{ stdin?: string }> {
  if (labels[STDIN] === undefined) return {};
  const stdin = inputPath(await containerd.instance(), { namespace, id });
  mkdirSync(FOLDER, { recursive: true });
  if (!lstatSync(stdin, { throwIfNoEntry: false })?.isFIFO()) {
    rmSync(stdin, { recursive: true, force: true });
    checked('mkfifo', libc().mkfifo(cstring(stdin), 0o600), stdin);
  }
  return { stdin };
}

export function removeInput(instance: string, params: ContainerParams): void {
  rmSync(inputPath(instance, params), { force: true });
}

/** Paths of this installation's that are of none of these containers: `<namespace>/<id>`. */
export function strayInputs(instance: string, containers: readonly string[]): string[] {
  const known = new Set(
    containers.map(one => {
      const [namespace = '', id = ''] = one.split('/');
      return inputPath(instance, { namespace, id });
    }),
  );
  const there = readIfThere(FOLDER).filter(({ name }) => name.startsWith(prefix(instance)));
  return there.flatMap(entry => {
    const path = join(FOLDER, entry.name);
    return entry.isFIFO() && !known.has(path) ? [path] : [];
  });
}

function readIfThere(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Undefined: nobody reads it any more. The descriptor does not block. */
export function openInput(path: string): number | undefined {
  try {
    const fd = openSync(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
    if (fstatSync(fd).isFIFO()) return fd;
    closeSync(fd);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'ENXIO', 'ENOENT')) return undefined;
    throw error;
  }
}
