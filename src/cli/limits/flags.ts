/** The flags that set limits, one a field of `spec.resources`, and what they say is to change; `none` lifts a limit. */
import type { ArgsDef } from 'citty';
import { KukeError } from '../../kernel/errors.ts';
import { parseQuantity } from '../../kernel/limits/quantity.ts';
import { didYouMean } from '../../kernel/names.ts';

export const limitArgs = {
  cpu: { type: 'string', valueHint: 'CPUS', description: 'so many CPUs at most: 1.5, 500m' },
  'cpu-weight': { type: 'string', valueHint: 'N', description: 'share where CPUs are scarce, 1 to 10000 (100)' },
  cpuset: { type: 'string', valueHint: 'LIST', description: 'these CPUs alone: 0-3,6' },
  memory: { type: 'string', valueHint: 'SIZE', description: 'what goes over it is killed: 512Mi, 1.5G' },
  'memory-high': { type: 'string', valueHint: 'SIZE', description: 'what goes over it is slowed down' },
  'memory-reservation': {
    type: 'string',
    valueHint: 'SIZE',
    description: 'so much is left to it when memory is scarce',
  },
  'memory-swap': { type: 'string', valueHint: 'SIZE', description: 'swap besides the memory; 0: none of it' },
  pids: { type: 'string', valueHint: 'N', description: 'so many processes and threads' },
  'io-weight': { type: 'string', valueHint: 'N', description: 'share where disks are busy, 1 to 10000' },
  device: {
    type: 'string',
    valueHint: 'PATH:RATES',
    description: 'of a disk: /dev/vda:readBps=10Mi,writeIops=100; several with several flags',
  },
  hugepages: {
    type: 'string',
    valueHint: 'SIZE=LIMIT',
    description: 'of huge pages of a size: 2Mi=64Mi; also several',
  },
} as const satisfies ArgsDef;

export const repeatableLimits = ['device', 'hugepages'] as const satisfies (keyof typeof limitArgs)[];

/** The field of each flag, below `resources`. */
const FIELDS = {
  cpu: ['cpu', 'limit'],
  'cpu-weight': ['cpu', 'weight'],
  cpuset: ['cpu', 'cpuset'],
  memory: ['memory', 'limit'],
  'memory-high': ['memory', 'high'],
  'memory-reservation': ['memory', 'reservation'],
  'memory-swap': ['memory', 'swap'],
  pids: ['pids', 'limit'],
  'io-weight': ['io', 'weight'],
  device: ['io', 'devices'],
  hugepages: ['hugepages'],
} as const satisfies Record<keyof typeof limitArgs, readonly string[]>;

const RATES = ['readBps', 'writeBps', 'readIops', 'writeIops'];

/** `{keys: ['io', 'devices', '/dev/vda', 'readBps'], value: '1Mi'}`; without a value, what stands there goes. */
export interface LimitChange {
  keys: readonly string[];
  value?: string;
}

/** What the flags ask for, in the order of `limitArgs`. Throws Usage where one cannot be taken apart; values are the schema's to judge. */
export function limitChanges(values: Record<string, unknown>, lists: Record<string, string[]>): LimitChange[] {
  return Object.entries(FIELDS).flatMap(([flag, keys]): LimitChange[] => {
    const value = values[flag];
    if (typeof value === 'string') return [changeOf(keys, value)];
    return (lists[flag] ?? []).flatMap(text => (flag === 'device' ? deviceChanges(text) : [hugepagesChange(text)]));
  });
}

/** The flag for a field of a manifest: `spec.containers[0].resources.memory.high`. */
export function flagOf(field: string): string | undefined {
  const [, path] = /\bresources\.(.+)$/.exec(field) ?? [];
  const found = Object.entries(FIELDS).find(([, keys]) =>
    `${path}.`.replace('[', '.').startsWith(`${keys.join('.')}.`),
  );
  return found === undefined ? undefined : `--${found[0]}`;
}

const changeOf = (keys: readonly string[], value: string): LimitChange =>
  value === 'none' ? { keys } : { keys, value: value.trim() };

/** A device's path may hold colons: `/dev/disk/by-path/pci-0000:00:04.0:readBps=1Mi`. */
function deviceChanges(text: string): LimitChange[] {
  if (text === 'none') return [{ keys: FIELDS.device }];
  const [, path, rates] = /^(\/[^\0]*[^:\0]):([^:]+)$/.exec(text) ?? [];
  if (path === undefined || rates === undefined) {
    throw new KukeError('Usage', `--device: \`${text}\` is not PATH:RATE=VALUE,... such as /dev/vda:readBps=1Mi`);
  }
  if (rates === 'none') return [{ keys: [...FIELDS.device, path] }];
  return rates.split(',').map(rate => {
    const [, name, value] = /^\s*(\w+)=(.+)$/.exec(rate) ?? [];
    if (name !== undefined && value !== undefined && RATES.includes(name)) {
      return changeOf([...FIELDS.device, path, name], value);
    }
    const meant = didYouMean(name ?? rate, RATES);
    throw new KukeError('Usage', `--device: \`${rate}\` is not one of ${RATES.join('=, ')}= with a value${meant}`);
  });
}

function hugepagesChange(text: string): LimitChange {
  if (text === 'none') return { keys: FIELDS.hugepages };
  const [, size = '', limit = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (limit !== '' && 'value' in parseQuantity(size)) return changeOf([...FIELDS.hugepages, size], limit);
  throw new KukeError('Usage', `--hugepages: \`${text}\` is not SIZE=LIMIT such as 2Mi=64Mi`);
}
