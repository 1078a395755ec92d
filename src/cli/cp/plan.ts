/** What a copy comes to, once it is known what is at both of its places. */
import { shellQuote } from '../../kernel/backends/shell.ts';
import { KukeError } from '../../kernel/errors.ts';
import { baseName, type Copy, innerPath } from './places.ts';

export type Planned =
  /** `name`: what it is called in the folder of the container; absent: an archive, laid out in it. */
  | { isUpload: true; folder: string; name: string | undefined; to: string }
  /** `isInto`: the person's path is a folder, and it comes into that by this name. */
  | { isUpload: false; inner: string; name: string; isInto: boolean; to: string };

type What = 'file' | 'folder' | 'other' | null;

/** `whatIs`: in the container; `local`: what is at the person's path. As cp(1) has it: into a folder that is there, else in the place of what is there. */
export function planCopy(copy: Copy, whatIs: (path: string) => What, local: What): Planned {
  refuseOther(copy.local, local);
  const inner = innerPath(copy.inner);
  const there = whatIs(copy.inner);
  if (!copy.isUpload) {
    if (there === null) throw new KukeError('NotFound', `${inner} is not there`);
    refuseOther(inner, there);
    const isInto = local === 'folder';
    const name = isInto || copy.local === '-' ? baseName(inner) : baseName(copy.local);
    const to = isInto ? `${copy.local.replace(/\/+$/, '')}/${name}` : copy.local;
    return { isUpload: false, inner, name, isInto, to };
  }
  refuseOther(inner, there);
  const [folder, name] = placeFor(copy, inner, there);
  if (whatIs(folder) !== 'folder') throw noFolder(folder);
  return { isUpload: true, folder, name, to: name === undefined ? folder : `${folder === '/' ? '' : folder}/${name}` };
}

function placeFor({ inner, local }: Copy, path: string, there: What): [folder: string, name: string | undefined] {
  if (local === '-') return [path, undefined];
  if (there === 'folder') return [path, baseName(local)];
  if (inner.endsWith('/')) throw noFolder(path);
  return [path.slice(0, path.lastIndexOf('/')) || '/', baseName(path)];
}

/** A device, a pipe, a socket is neither read to its end nor replaced by a file. */
function refuseOther(path: string, what: What): void {
  if (what !== 'other') return;
  const remedy = 'name one, or - for a tar archive on standard input or output';
  throw new KukeError('Usage', `${path} is no file, folder or link`, { remedy });
}

const noFolder = (path: string): KukeError =>
  new KukeError('NotFound', `${path} is no folder there`, { remedy: 'name one that is there, or make it first' });

/** The commands that a person would type for it. */
export function commandsFor(planned: Planned, local: string, namespace: string, containerdId: string): string {
  const root = `ROOT=/proc/$(ctr -n ${namespace} tasks ls | awk '$1 == "${containerdId}" {print $2}')/root`;
  const inRoot = (path: string) => `"$ROOT"${shellQuote(path)}`;
  return [root, copyCommand(planned, local, inRoot)].join('\n');
}

function copyCommand(planned: Planned, local: string, inRoot: (path: string) => string): string {
  if (planned.isUpload) {
    const { folder, name, to } = planned;
    return name === undefined ? `tar -C ${inRoot(folder)} -x` : `cp -rT ${shellQuote(local)} ${inRoot(to)}`;
  }
  const { inner, name, to } = planned;
  const above = inner.slice(0, inner.lastIndexOf('/')) || '/';
  return local === '-'
    ? `tar -C ${inRoot(above)} -c ${shellQuote(name)}`
    : `cp -rHT ${inRoot(inner)} ${shellQuote(to)}`;
}
