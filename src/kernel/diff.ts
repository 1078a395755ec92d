/** What differs between two specs, field by field, and what the change takes; from the schema alone. */

import type * as v from 'valibot';
import type { Change } from './kinds.ts';
import { fieldSchema, metadataOf, type Path } from './schema.ts';

export interface FieldChange {
  /** `spec.containers[web].image`: elements that carry an id go by it. */
  path: string;
  /** The keys of `path`: `['containers', 'web', 'image']`. */
  keys: string[];
  from: unknown;
  to: unknown;
  change: Change;
}

/** Both specs as users wrote them. Order of keys does not matter; that of lists does, save for elements with an id. */
export function diffSpecs(schema: v.GenericSchema, from: unknown, to: unknown): FieldChange[] {
  return diffValue(schema, from, to, [], 'in-place');
}

function diffValue(
  schema: v.GenericSchema | undefined,
  from: unknown,
  to: unknown,
  keys: string[],
  inherited: Change,
): FieldChange[] {
  const change = (schema && metadataOf(schema).change) ?? inherited;
  if (isPlainObject(from) && isPlainObject(to)) {
    const names = new Set([...Object.keys(from), ...Object.keys(to)]);
    return [...names].flatMap(name => {
      const below = schema && fieldSchema(schema, name, to);
      return diffValue(below, from[name], to[name], [...keys, name], change);
    });
  }
  if (isKeyed(from) && isKeyed(to)) {
    const below = schema && fieldSchema(schema, 0, to);
    const ids = new Set([...from, ...to].map(element => element.id));
    const find = (list: Keyed[], id: string) => list.find(element => element.id === id);
    return [...ids].flatMap(id => diffValue(below, find(from, id), find(to, id), [...keys, `[${id}]`], change));
  }
  if (Bun.deepEquals(from, to)) return [];
  return [{ path: pathOf(keys), keys: keys.map(key => key.replace(/^\[(.*)\]$/, '$1')), from, to, change }];
}

function pathOf(keys: Path): string {
  return ['spec', ...keys].reduce<string>((path, key) => {
    const text = String(key);
    return text.startsWith('[') || path === '' ? `${path}${text}` : `${path}.${text}`;
  }, '');
}

interface Keyed extends Record<string, unknown> {
  id: string;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isKeyed(value: unknown): value is Keyed[] {
  return Array.isArray(value) && value.every(element => isPlainObject(element) && typeof element.id === 'string');
}
