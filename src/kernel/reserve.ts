/** What `kuke init` keeps of the host from all of kuke's tree: limits of `/kukeon`, which are written whenever it is made or differs. */
import { cpus, totalmem } from 'node:os';
import * as v from 'valibot';
import type { UseBackend } from './backend-operations.ts';
import { KukeError } from './errors.ts';
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
  if (memory < 0 || memory >= most) throw refused(formatBytes(memory), `${Math.floor(most / 2 ** 20)}Mi of memory`);
  if (share < 0 || all - share < LEAST_CPUS) throw refused(`${share}`, `${all} CPUs`);
  return { ...(memory > 0 && { memory }), ...(share > 0 && { cpus: share }) };
}

const refused = (what: string, all: string) =>
  new KukeError('Usage', `${what} cannot be kept from kuke: this host has ${all}`, {
    remedy: 'keep less than all of it; 0 keeps nothing',
  });

/** What is left to `/kukeon`. A host that has become smaller than what is to be kept of it keeps nothing. */
export function leftByReserve({ memory = 0, cpus: share = 0 }: Reserve): Resources {
  const bytes = memory > 0 ? Math.floor(totalmem() - memory) : 0;
  const count = share > 0 ? cpus().length - share : 0;
  return {
    ...(bytes > 0 && { memory: { limit: bytes } }),
    ...(count >= LEAST_CPUS && { cpu: { limit: count } }),
  };
}
