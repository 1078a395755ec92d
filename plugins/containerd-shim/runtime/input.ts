/**
 * The standard input of a container's first process: a FIFO in /run/kukeon. The shim holds both of its ends (containerd 1.6 to 2.1, openStdin in
 * pkg/process/init.go), so it has no end of file when nobody feeds it any more, and needs none of us: not before Tasks.CloseIO does it end.
 */
import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ContainerParams } from 'kuke/plugin';
import { hasCode } from '../../../src/host/errno.ts';
import { checked, cstring, libc } from '../../../src/host/libc.ts';
import type { Container } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';
import { STDIN } from '../labels.ts';

const { O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants;

/** Of no two containers, whosever they are. */
function inputPath({ socket }: Containerd, { namespace, id }: ContainerParams): string {
  const hash = new Bun.CryptoHasher('sha256').update([socket, namespace, id].join('\0')).digest('hex');
  return `/run/kukeon/stdin-${hash.slice(0, 16)}`;
}

/** What the task is to be given; nothing, if its input is not kept. Throws SystemError. */
export function makeInput(containerd: Containerd, namespace: string, { id, labels }: Container): { stdin?: string } {
  if (labels[STDIN] === undefined) return {};
  const stdin = inputPath(containerd, { namespace, id });
  mkdirSync(dirname(stdin), { recursive: true });
  if (!lstatSync(stdin, { throwIfNoEntry: false })?.isFIFO()) {
    rmSync(stdin, { recursive: true, force: true });
    checked('mkfifo', libc().mkfifo(cstring(stdin), 0o600), stdin);
  }
  return { stdin };
}

export function removeInput(containerd: Containerd, params: ContainerParams): void {
  rmSync(inputPath(containerd, params), { force: true });
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
