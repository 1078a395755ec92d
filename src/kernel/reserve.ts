/** What `kuke init` keeps of the host from all of kuke's tree: limits of `/kukeon`, which are written whenever it is made or differs. */
import { cpus, totalmem } from 'node:os';
import * as v from 'valibot';
import type { UseBackend } from './backend-operations.ts';
import { CGROUP_ROOT } from './cgroups.ts';
import { KukeError } from './errors.ts';
import type { AskedOfGroup } from './limits/asked.ts';
import { formatBytes } from './limits/quantity.ts';
import { LEAST_CPUS, type Resources } from './limits/schema.ts';

/** Bytes, and CPUs; absent: nothing is kept. */
export interface Reserve {
  memory?: number;
  cpus?: number;
}

/** A `StoredFile.path`. */
export const RESERVE_FILE = 'reserve.json';

const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const stored = v.strictObject({ memory: v.exactOptional(amount), cpus: v.exactOptional(amount) });

/** Throws MetadataCorrupt. */
export async function readReserve(use: UseBackend): Promise<Reserve> {
  const store = await use('store');
  const text = await store.readFile(RESERVE_FILE);
  if (text === undefined) return {};
  try {
    return v.parse(stored, JSON.parse(text));
  } catch (cause) {
    const remedy = 'remove it, then run `kuke init` with --reserve-memory and --reserve-cpu again';
    throw new KukeError('MetadataCorrupt', `${store.filePath(RESERVE_FILE)} is not what kuke has written`, {
      remedy,
      cause,
    });
  }
}

/** What of `given` is absent stays as it was, and 0 lifts it. Throws Usage for what is not to be had of this host. */
export function changedReserve(before: Reserve, given: Reserve): Reserve {
  const [memory, most] = [given.memory ?? before.memory ?? 0, totalmem()];
  const [share, all] = [given.cpus ?? before.cpus ?? 0, cpus().length];
  if (memory < 0 || most - memory < LEAST_MEMORY)
    throw refused(mebibytes(memory), `${Math.floor(most / 2 ** 20)}Mi of memory`, most - memory, 'MiB');
  if (share < 0 || all - share < LEAST_CPUS) throw refused(`${share}`, `${all} CPUs`, all - share, 'CPU');
  return { ...(memory > 0 && { memory }), ...(share > 0 && { cpus: share }) };
}

/** A share may be no round number. */
const mebibytes = (bytes: number) =>
  Number.isInteger(bytes / LEAST_MEMORY) ? formatBytes(bytes) : `${(bytes / LEAST_MEMORY).toFixed(1)}Mi`;

/** With less, nothing could be started. */
const LEAST_MEMORY = 2 ** 20;

/** `left`: bytes, or CPUs. */
function refused(what: string, all: string, left: number, unit: 'MiB' | 'CPU'): KukeError {
  const least = unit === 'CPU' ? `${LEAST_CPUS} of a CPU` : '1Mi';
  const text = unit === 'CPU' ? `${Math.round(left * 1e6) / 1e6} of a CPU` : `${Math.floor(left / 2 ** 10)}Ki`;
  const why = left > 0 ? `, so that kuke would have ${text}, and ${least} is the least` : '';
  return new KukeError('Usage', `${what} cannot be kept from kuke: this host has ${all}${why}`, {
    remedy: 'keep less; 0 keeps nothing',
  });
}

/** The group of all that kuke runs, with what is left to it. */
export const reserveGroup = (reserve: Reserve): AskedOfGroup => ({
  path: CGROUP_ROOT,
  resources: leftByReserve(reserve),
  field: 'reserve',
  flags: { 'memory.limit': '--reserve-memory', 'cpu.limit': '--reserve-cpu' },
});

/** What is left to `/kukeon`, in whole MiB: it stands in statuses. A host that has become smaller than what is to be kept of it keeps nothing. */
export function leftByReserve({ memory = 0, cpus: share = 0 }: Reserve): Resources {
  const bytes = memory > 0 ? Math.floor((totalmem() - memory) / LEAST_MEMORY) * LEAST_MEMORY : 0;
  const count = share > 0 ? cpus().length - share : 0;
  return {
    ...(bytes > 0 && { memory: { limit: bytes } }),
    ...(count >= LEAST_CPUS && { cpu: { limit: count } }),
  };
}
