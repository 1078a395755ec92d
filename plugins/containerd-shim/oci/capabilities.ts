/** Which capabilities a container's processes may have (capabilities(7)). */
import { readFileSync } from 'node:fs';
import { CAPABILITY_NAMES, KukeError } from 'kuke/plugin';
import { CAPABILITIES } from './defaults.ts';

const NAMES = CAPABILITY_NAMES.map(name => `CAP_${name}`);

export interface CapabilityRequest {
  privileged: boolean;
  /** `NET_ADMIN`, `CAP_NET_ADMIN` or `ALL`, in either case. */
  add: readonly string[];
  drop: readonly string[];
  /** What the runtime itself may have. */
  available: ReadonlySet<string>;
}

/**
 * Docker's rules: the default set, or all when privileged or by `add: [ALL]`; less `drop`; plus `add`. Sets go as far as the host
 * has them. Throws InvalidManifest for a name that is none, Unsupported for one added by name that the host lacks.
 */
export function grantedCapabilities({ privileged, add, drop, available }: CapabilityRequest): string[] {
  const added = add.map(name => knownName(name, 'add'));
  const dropped = drop.map(name => knownName(name, 'drop'));
  const lacking = added.filter(name => name !== 'ALL' && !available.has(name));
  if (lacking.length > 0) {
    throw new KukeError('Unsupported', `${lacking.join(', ')}: containerd on this host may not have it itself`, {
      field: 'capabilities.add',
    });
  }
  const everything = privileged || added.includes('ALL');
  const base = everything ? NAMES : CAPABILITIES;
  const kept = base.filter(name => available.has(name) && !dropped.includes(name) && !dropped.includes('ALL'));
  return [...new Set([...kept, ...added.filter(name => name !== 'ALL' && !(everything && dropped.includes(name)))])];
}

/** The bounding set of a process, from /proc/PID/status (proc(5)). */
export function boundingSet(pid: number | 'self'): Set<string> {
  const bits = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  if (bits === undefined) throw new KukeError('HostNotReady', `/proc/${pid}/status has no CapBnd line`);
  const mask = BigInt(`0x${bits}`);
  return new Set(NAMES.filter((_, number) => (mask >> BigInt(number)) & 1n));
}

function knownName(given: string, field: 'add' | 'drop'): string {
  const name = given.toUpperCase();
  if (name === 'ALL') return name;
  const full = name.startsWith('CAP_') ? name : `CAP_${name}`;
  if (NAMES.includes(full)) return full;
  throw new KukeError('InvalidManifest', `${given} is not a capability`, {
    field: `capabilities.${field}`,
    remedy: 'see capabilities(7)',
  });
}
