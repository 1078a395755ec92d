/** The Store in memory. */
import { basename, dirname } from 'node:path';
import {
  explainWith,
  type StoreActions,
  type StoreBackend,
  type StoreLock,
  type StoreWrite,
  shellCommand,
  thereWith,
} from '../../src/kernel/backends/index.ts';
import { KukeError } from '../../src/kernel/errors.ts';
import { nameFault } from '../../src/kernel/names.ts';
import { keyOf, type ResourceRef } from '../../src/kernel/resource.ts';
import { abortable, type FakeHost, processOn } from './host.ts';

const PID = 4711;

function checkRef({ kind, path }: ResourceRef): void {
  const fault = [kind, ...path].map(nameFault).find(found => found !== undefined);
  if (path.length === 0 || fault !== undefined) {
    throw new KukeError('InvalidManifest', `${JSON.stringify([kind, ...path])} is no reference: ${fault ?? 'no name'}`);
  }
}

function checkFile(path: string): string {
  if (/^[^/\0]+(\/[^/\0]+)*$/.test(path) && !path.split('/').some(part => part === '.' || part === '..')) return path;
  throw new KukeError('Internal', `${JSON.stringify(path)} is not the path of a file of the store`);
}

export function fakeStore(host: FakeHost): StoreBackend {
  const { action, read } = processOn(host);
  const filePath = (path: string) => `/opt/kukeon/.kuke/${checkFile(path)}`;
  const manifestPath = ({ kind, path }: ResourceRef) => `/opt/kukeon/${path.join('/')}/${kind.toLowerCase()}.yaml`;

  /** Those in its own folder: in folders in that are those of what lies in it. */
  const logsOf = ({ path }: ResourceRef): string[] =>
    [...host.logs.keys()].filter(log => dirname(log) === `/var/log/kukeon/${path.join('/')}`);

  /** Waiting locks look again whenever one is released; only a time limit or an abort ends the wait otherwise. */
  const lock: StoreBackend['lock'] = async ({ command, timeoutMs, signal, onWait }): Promise<StoreLock> => {
    const waiting = host.store.waiting;
    const notice = setTimeout(() => {
      if (host.store.holder === undefined) return;
      const { pid, command: theirs, isUnknown } = host.store.holder;
      onWait(isUnknown ? undefined : { pid, command: theirs });
    }, host.store.noticeMs);
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      while (host.store.holder !== undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.add(resolve);
        await abortable(AbortSignal.any([signal, deadline]), promise);
      }
    } catch (thrown) {
      const { holder } = host.store;
      if (!deadline.aborted || holder === undefined) throw thrown;
      throw new KukeError('Locked', `held by ${holder.command} (pid ${holder.pid})`, { cause: thrown });
    } finally {
      clearTimeout(notice);
    }
    const held = { pid: PID, command };
    host.store.holder = held;
    return {
      isAwaited: () => waiting.size > 0,
      release: async () => {
        if (host.store.holder === held) host.freeLock();
      },
    };
  };

  return {
    write: action<StoreWrite, void>('store.write', ({ ref, manifest }) => {
      checkRef(ref);
      host.store.spoilt.delete(keyOf(ref));
      host.store.manifests.set(keyOf(ref), { ref, manifest });
    }),
    remove: action<StoreActions['remove']['params'], void>('store.remove', ({ ref, keeps = [] }) => {
      checkRef(ref);
      host.store.spoilt.delete(keyOf(ref));
      host.store.manifests.delete(keyOf(ref));
      // Of another kind's namesake, or of what is still in it, the logs stay.
      const folder = `${ref.path.join('/')}/`;
      const others = [...host.store.manifests.values()].map(other => `${other.ref.path.join('/')}/`);
      if (others.some(other => other.startsWith(folder))) return;
      for (const path of logsOf(ref)) if (!keeps.includes(basename(path))) host.logs.delete(path);
    }),
    writeFile: action<StoreActions['writeFile']['params'], void>('store.writeFile', ({ path, content }) => {
      checkFile(path);
      host.store.files.set(path, content);
    }),
    removeFile: action<StoreActions['removeFile']['params'], void>('store.removeFile', ({ path }) => {
      checkFile(path);
      for (const file of host.store.files.keys()) {
        if (file === path || file.startsWith(`${path}/`)) host.store.files.delete(file);
      }
    }),
    purge: action<StoreActions['purge']['params'], void>('store.purge', () => host.store.files.clear()),
    list: () =>
      read('store.list', () => ({
        resources: [...host.store.manifests.values()],
        problems: [...host.store.spoilt.values()],
      })),
    readFile: path => read('store.readFile', () => host.store.files.get(checkFile(path))),
    filePath,
    instance: () => read('store.instance', () => host.store.files.get('instance')?.trim()),
    lockState: async () => {
      const { holder } = host.store;
      return { path: '/run/kukeon/fake.lock', ...(holder && { heldBy: { pid: holder.pid, command: holder.command } }) };
    },
    lock: request => read('store.lock', () => undefined, request.signal).then(() => lock(request)),
    logs: ref =>
      read('store.logs', () =>
        logsOf(ref)
          .map(log => basename(log))
          .sort(),
      ),
    strangers: () => read('store.strangers', () => [...host.store.strangers]),
    isThere: thereWith<StoreActions>({
      write: ({ ref }) => read('store.isThere', () => host.store.manifests.has(keyOf(ref))),
      writeFile: ({ path }) => read('store.isThere', () => host.store.files.has(checkFile(path))),
    }),
    explain: explainWith<StoreActions>({
      write: ({ ref }) => shellCommand('install', '-D', '/dev/stdin', manifestPath(ref)),
      remove: ({ ref }) => shellCommand('rm', manifestPath(ref)),
      writeFile: ({ path }) => shellCommand('install', '-D', '/dev/stdin', filePath(path)),
      removeFile: ({ path }) => shellCommand('rm', '-r', filePath(path)),
      purge: () => shellCommand('rm', '-r', '/opt/kukeon/.kuke'),
    }),
  };
}
