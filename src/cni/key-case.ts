/** Keys in another case: Go's decoder, and so the reference implementations, take any (encoding/json). */
import type * as v from 'valibot';
import { isObject, type JsonObject } from './json-object.ts';

/** What is read of a configuration before a schema is asked; the names below `ipam` too. */
const READ = [
  'cniVersion',
  'name',
  'type',
  'ipam',
  'args',
  'dns',
  'prevResult',
  'runtimeConfig',
  'logFile',
  'logLevel',
];

/** A plugin's configuration with the keys that every plugin has, as they are spelled. */
export function exactConfig(config: JsonObject): JsonObject {
  const exact = renamed(config, READ);
  return isObject(exact.ipam) ? { ...exact, ipam: renamed(exact.ipam, ['type']) } : exact;
}

/** A value with the keys of a schema's objects, wherever they are in it, as the schema spells them. */
export function exactKeys(schema: v.GenericSchema, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const item = find(schema, 'item');
  if (Array.isArray(value)) return item === undefined ? value : value.map(one => exactKeys(item, one));
  const entries = find(schema, 'entries');
  if (entries === undefined) return value;
  const exact = renamed(value as JsonObject, Object.keys(entries));
  for (const [key, below] of Object.entries(entries)) {
    if (Object.hasOwn(exact, key)) exact[key] = exactKeys(below, exact[key]);
  }
  return exact;
}

/** A flat copy. Of several that differ in case only the last one counts, as in Go. */
function renamed(value: JsonObject, names: readonly string[]): JsonObject {
  const folded = `\n${names.join('\n').toLowerCase()}\n`;
  const isOther = (key: string) => !names.includes(key) && folded.includes(`\n${key.toLowerCase()}\n`);
  if (!Object.keys(value).some(isOther)) return { ...value }; // as mostly
  const known = new Map(names.map(name => [name.toLowerCase(), name]));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [known.get(key.toLowerCase()) ?? key, one]));
}

/** What valibot's schemas may have; which of it one has, its type says. */
type Inside = Partial<Record<'wrapped' | 'item', v.GenericSchema>> & {
  entries?: Record<string, v.GenericSchema>;
  pipe?: readonly v.GenericSchema[];
};

/** Of the schema, or of one inside of it: optional ones wrap another, and pipes hold several. */
function find<K extends 'item' | 'entries'>(schema: v.GenericSchema, part: K): Inside[K] | undefined {
  const inside = schema as v.GenericSchema & Inside;
  if (inside[part] !== undefined) return inside[part];
  for (const inner of [...(inside.wrapped ? [inside.wrapped] : []), ...(inside.pipe ?? [])]) {
    const found = inner !== schema && inner.kind === 'schema' ? find(inner, part) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}
