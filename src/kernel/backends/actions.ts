/** What undoes each action of the kernel's own backends. A third party's plugin declares those of its own backend: `kernel.backend()`. */

import type { ActionDeclarations } from './backend.ts';
import type { CgroupActions, CgroupBackend } from './cgroup.ts';
import type { ImagesActions, ImagesBackend } from './images.ts';
import type { NetworkActions, NetworkBackend } from './network.ts';
import type { RuntimeActions, RuntimeBackend } from './runtime.ts';
import type { StoreActions, StoreBackend } from './store.ts';

const cgroup: ActionDeclarations<CgroupBackend, CgroupActions> = {
  create: { undoneBy: 'remove' },
  limit: {
    undo: {
      look: (backend, params) => backend.remember(params),
      revert: (backend, { path }, found, context) => backend.restore(path, found, context),
    },
  },
  leaf: { undoneBy: 'remove' },
  remove: { irreversible: true },
};

const images: ActionDeclarations<ImagesBackend, ImagesActions> = {
  // An image that is here is in nobody's way, and is not fetched again the next time; what a failed pull began it takes away itself.
  pull: { ahead: true },
};

const network: ActionDeclarations<NetworkBackend, NetworkActions> = {
  define: { undoneBy: 'remove' },
  remove: { irreversible: true },
  open: { undoneBy: 'close' },
  close: { irreversible: true },
  attach: { undoneBy: 'detach' },
  detach: { irreversible: true },
};

const runtime: ActionDeclarations<RuntimeBackend, RuntimeActions> = {
  createNamespace: { undoneBy: 'removeNamespace' },
  removeNamespace: { irreversible: true },
  create: { undoneBy: 'remove' },
  // The start that comes after it would take the same away, and no start is not undone for it.
  clear: {},
  start: {
    undo: {
      look: (backend, params) => backend.isThere('start', params),
      async revert(backend, { namespace, id }, found, context) {
        if (found !== true) await backend.stop({ namespace, id, timeoutMs: 0 }, context);
      },
    },
  },
  stop: { irreversible: true },
  remove: { irreversible: true },
};

const store: ActionDeclarations<StoreBackend, StoreActions> = {
  write: {
    undo: {
      look: async (backend, params) => params.previous !== undefined || backend.isThere('write', params),
      async revert(backend, { ref, previous, logs = [] }, found, context) {
        if (previous !== undefined) await backend.write({ ref, manifest: previous }, context);
        else if (found !== true) await backend.remove({ ref, keeps: logs }, context);
      },
    },
  },
  // Metadata goes last and only when nothing of the resource is left, so that a delete can be repeated.
  remove: { irreversible: true, onlyAfterSuccess: true },
  writeFile: {
    undo: {
      look: (backend, { path }) => backend.readFile(path),
      async revert(backend, { path, inPlace }, found, context) {
        if (typeof found !== 'string') await backend.removeFile({ path }, context);
        else await backend.writeFile({ path, content: found, ...(inPlace && { inPlace }) }, context);
      },
    },
  },
  removeFile: { irreversible: true },
  purge: { irreversible: true, onlyAfterSuccess: true },
};

export const ownActions = { cgroup, images, network, runtime, store };
