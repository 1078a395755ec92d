/** The flags that set limits, one a field of `spec.resources`, and what they say is to change; `none` lifts a limit. */
import type { StringArgDef } from 'citty';
import type * as v from 'valibot';
import { KukeError } from '../../kernel/errors.ts';
import type { DeviceRates } from '../../kernel/limits/limits.ts';
import { oneSpelling, parseQuantity } from '../../kernel/limits/quantity.ts';
import { resourcesSchema } from '../../kernel/limits/schema.ts';
import { didYouMean } from '../../kernel/names.ts';
import { descriptionOf, entriesOf } from '../../kernel/schema.ts';

const inner = (schema: v.GenericSchema) =>
  entriesOf('wrapped' in schema ? (schema.wrapped as v.GenericSchema) : schema) ?? {};

/** `--memory` is the limit of memory, `--memory-high` another field of it. */
const NAMES: Readonly<Record<string, string>> = { 'cpu.cpuset': 'cpuset', 'io.devices': 'device' };
const flagFor = (keys: readonly string[]): string => NAMES[keys.join('.')] ?? keys.join('-').replace(/-limit$/, '');

interface Field {
  /** Below `resources`: `['memory', 'limit']`, and `['hugepages']`, which has no fields of its own. */
  keys: readonly string[];
  schema: v.GenericSchema;
}

/** Of each flag. */
const FIELDS: ReadonlyMap<string, Field> = new Map(
  Object.entries(inner(resourcesSchema)).flatMap(([section, schema]) => {
    const fields = Object.entries(inner(schema)).map(([key, one]): Field => ({ keys: [section, key], schema: one }));
    const all = fields.length === 0 ? [{ keys: [section], schema }] : fields;
    return all.map(field => [flagFor(field.keys), field] as const);
  }),
);

/** What stands for a value in the help, and an example. */
const HINTS: Readonly<Record<string, readonly [hint: string, example?: string]>> = {
  cpu: ['CPUS', '1.5, 500m'],
  cpuset: ['LIST'],
  memory: ['SIZE', '512Mi, 1.5G'],
  'memory-high': ['SIZE', '400Mi'],
  'memory-reservation': ['SIZE', '64Mi'],
  'memory-swap': ['SIZE', '0'],
  device: ['PATH:RATES', '/dev/vda:readBps=10Mi,writeIops=100; several with several flags'],
  hugepages: ['SIZE=LIMIT', '2Mi=64Mi; several with several flags'],
};

/** A flag for each field of `spec.resources`, described as that is. */
export const limitArgs = Object.fromEntries(
  [...FIELDS].map(([flag, { schema }]) => {
    const [valueHint, example] = HINTS[flag] ?? ['N'];
    const text = descriptionOf(schema)?.replaceAll('`', '') ?? '';
    return [flag, { type: 'string', valueHint, description: example === undefined ? text : `${text}: ${example}` }];
  }),
) as Record<string, StringArgDef> & Record<(typeof repeatableLimits)[number], StringArgDef>;

const DEVICE = ['io', 'devices'];
const RATES = ['readBps', 'writeBps', 'readIops', 'writeIops'] satisfies (keyof DeviceRates)[] as string[];
const HUGEPAGES = ['hugepages'];

export const repeatableLimits = ['device', 'hugepages'] as const;

/** `{keys: ['io', 'devices', '/dev/vda', 'readBps'], value: '1Mi'}`; without a value, what stands there goes. */
export interface LimitChange {
  keys: readonly string[];
  value?: string;
}

/** What the flags ask for, in the order of `limitArgs`. Throws Usage where one cannot be taken apart; values are the schema's to judge. */
export function limitChanges(values: Record<string, unknown>, lists: Record<string, string[]>): LimitChange[] {
  return [...FIELDS].flatMap(([flag, { keys }]): LimitChange[] => {
    const value = values[flag];
    if (typeof value === 'string') return [changeOf(keys, value)];
    return (lists[flag] ?? []).flatMap(text => (flag === 'device' ? deviceChanges(text) : [hugepagesChange(text)]));
  });
}

/** The flag for a field of a manifest: `spec.containers[0].resources.memory.high`. */
export function flagOf(field: string): string | undefined {
  const [, path] = /\bresources\.(.+)$/.exec(field) ?? [];
  const found = [...FIELDS].find(([, { keys }]) => `${path}.`.replace('[', '.').startsWith(`${keys.join('.')}.`));
  return found === undefined ? undefined : `--${found[0]}`;
}

/** What is to be lifted, as `LiftedLimits` has it. */
export function liftedFields(changes: readonly LimitChange[]): string[] {
  return changes.flatMap(({ keys: [first = '', ...rest], value }) => {
    if (value !== undefined) return [];
    // Sizes of pages go by one spelling.
    return [[first, ...(first === 'hugepages' ? rest.map(oneSpelling) : rest)].join('.')];
  });
}

const changeOf = (keys: readonly string[], value: string): LimitChange =>
  value === 'none' ? { keys } : { keys, value: value.trim() };

/** A device's path may hold colons: `/dev/disk/by-path/pci-0000:00:04.0:readBps=1Mi`. */
function deviceChanges(text: string): LimitChange[] {
  if (text === 'none') return [{ keys: DEVICE }];
  const [, path, rates] = /^(\/[^\0]*[^:\0]):([^:]+)$/.exec(text) ?? [];
  if (path === undefined || rates === undefined) {
    throw untaken(`--device: \`${text}\` is not PATH:RATE=VALUE,... such as /dev/vda:readBps=1Mi`);
  }
  if (rates === 'none') return [{ keys: [...DEVICE, path] }];
  return rates.split(',').map(rate => {
    const [, name, value] = /^\s*(\w+)=(.+)$/.exec(rate) ?? [];
    if (name !== undefined && value !== undefined && RATES.includes(name)) {
      return changeOf([...DEVICE, path, name], value);
    }
    const meant = didYouMean(name ?? rate, RATES);
    throw untaken(`--device: \`${rate}\` is not one of ${RATES.join('=, ')}= with a value${meant}`);
  });
}

function hugepagesChange(text: string): LimitChange {
  if (text === 'none') return { keys: HUGEPAGES };
  const [, size = '', limit = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (limit !== '' && 'value' in parseQuantity(size)) return changeOf([...HUGEPAGES, size], limit);
  throw untaken(`--hugepages: \`${text}\` is not SIZE=LIMIT such as 2Mi=64Mi`);
}

const untaken = (what: string): KukeError =>
  new KukeError('Usage', what, { remedy: 'see `kuke set resources --help`' });
