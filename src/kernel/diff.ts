/** What differs between two specs, field by field, and what the change takes; from the schema alone. */

import type * as v from 'valibot';
import type { Change } from './kinds.ts';
import { fieldSchema, metadataOf } from './schema.ts';

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

/** The key of a field, or the id of an element. */
type Place = string | { id: string };

function diffValue(
  schema: v.GenericSchema | undefined,
  from: unknown,
  to: unknown,
  places: Place[],
  inherited: Change,
): FieldChange[] {
  const change = (schema && metadataOf(schema).change) ?? inherited;
  const [before, after] = asMaps(from, to, places);
  if (before !== undefined && after !== undefined) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap(name => {
      const below = schema && fieldSchema(schema, name, Object.hasOwn(after, name) ? after : before);
      return diffValue(below, own(before, name), own(after, name), [...places, name], change);
    });
  }
  if (isKeyed(from) && isKeyed(to)) {
    const below = schema && fieldSchema(schema, 0, to);
    const ids = new Set([...from, ...to].map(element => element.id));
    return [...ids].flatMap(id =>
      diffValue(below, elementOf(from, id), elementOf(to, id), [...places, { id }], change),
    );
  }
  if (Bun.deepEquals(from, to)) return [];
  return [{ path: pathOf(places), keys: places.map(keyOf), from, to, change }];
}

/** What stands at the keys of a change. */
export function valueAt(spec: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((value, key) => {
    if (isKeyed(value)) return elementOf(value, key);
    return isMap(value) ? own(value, key) : undefined;
  }, spec);
}

type Fields = Record<string, unknown>;

/** A map that is new or gone counts as one that was empty, so that each of its fields has its say; an element of a list is whole. */
function asMaps(from: unknown, to: unknown, places: Place[]): [Fields | undefined, Fields | undefined] {
  const isElement = typeof places.at(-1) === 'object';
  const [before, after] = [from, to].map(value => (value === undefined && !isElement ? {} : value));
  return [isMap(before) ? before : undefined, isMap(after) ? after : undefined];
}

const keyOf = (place: Place): string => (typeof place === 'string' ? place : place.id);

function pathOf(places: Place[]): string {
  return ['spec', ...places.map(place => (typeof place === 'string' ? `.${place}` : `[${place.id}]`))].join('');
}

interface Keyed extends Fields {
  id: string;
}

function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Every element has an id, and each another one. */
function isKeyed(value: unknown): value is Keyed[] {
  if (!Array.isArray(value)) return false;
  const ids = value.map(element => (isMap(element) ? element.id : undefined));
  return ids.every(id => typeof id === 'string') && new Set(ids).size === ids.length;
}

const elementOf = (list: Keyed[], id: string): Keyed | undefined => list.find(element => element.id === id);

const own = (map: Fields, key: string): unknown => (Object.hasOwn(map, key) ? map[key] : undefined);
