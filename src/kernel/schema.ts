/** Walks valibot schemas: unknown fields with the nearest known one, fields that nothing acts on yet, and all other faults by path. */
import * as v from 'valibot';
import type { FieldIssue } from './extensible.ts';
import type { FieldMetadata } from './kinds.ts';
import { didYouMean, NAME_SHAPE } from './names.ts';

type AnySchema = v.GenericSchema;
export type Path = readonly (string | number)[];

/** `spec.containers[1].image` */
export function formatPath(path: Path): string {
  return path.map((key, index) => (typeof key === 'number' ? `[${key}]` : index === 0 ? key : `.${key}`)).join('');
}

/** All faults of a value, each with its path below `prefix`. Empty: it is valid. */
export function faultsOf(schema: AnySchema, value: unknown, prefix: Path): FieldIssue[] {
  const faults = shapeFaults(schema, value, prefix);
  const told = new Set(faults.map(({ path }) => path));
  const isOfWhole = ({ message }: FieldIssue): boolean => message.startsWith(NOT_A_MAP);
  const wholes = new Set(faults.filter(isOfWhole).map(({ path }) => path));
  const parsed = v.safeParse(schema, value);
  for (const issue of parsed.issues ?? []) {
    if (issue.type === 'strict_object' && issue.expected === 'never') continue; // shapeFaults has named them all
    const path = [...prefix, ...(issue.path ?? []).map(item => pathKey(item.key))];
    for (const fault of withinUnion(issue, path)) {
      // Of two faults at one place the first one counts; what is wrong with a whole list or map says all.
      if (told.has(fault.path) || isWithin(wholes, fault.path)) continue;
      told.add(fault.path);
      if (isOfWhole(fault)) wholes.add(fault.path);
      faults.push(fault);
    }
  }
  return faults;
}

function isWithin(wholes: ReadonlySet<string>, path: string): boolean {
  if (wholes.size === 0) return false;
  for (let at = path.indexOf('.'); at >= 0; at = path.indexOf('.', at + 1))
    if (wholes.has(path.slice(0, at))) return true;
  return false;
}

/** Of a union: the faults inside the option that has the value's shape, where there is one. */
function withinUnion(issue: v.BaseIssue<unknown>, path: Path): FieldIssue[] {
  const inside = issue.type === 'union' ? (issue.issues ?? []).filter(sub => sub.path !== undefined) : [];
  if (inside.length === 0) return [{ path: formatPath(path), message: messageOf(issue), ...codeOf(issue) }];
  return inside.flatMap(sub => withinUnion(sub, [...path, ...(sub.path ?? []).map(item => pathKey(item.key))]));
}

function messageOf(issue: v.BaseIssue<unknown>): string {
  if (issue.kind !== 'schema') return issue.message;
  if (issue.received === 'undefined' || (issue.type === 'strict_object' && issue.input === undefined))
    return 'is missing';
  if (!issue.message.startsWith('Invalid ')) return issue.message; // the schema's own words
  return `must be ${inWords(issue.expected ?? 'of another type')}, not ${inWords(issue.received).slice(0, 80)}`;
}

const words: Readonly<Record<string, string>> = {
  Object: 'a map',
  Array: 'a list',
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
};

/** valibot's `(string | Array)` as `a string or a list`. */
function inWords(types: string): string {
  const alternatives = types.replace(/^\((.*)\)$/s, '$1').split(' | ');
  return alternatives.map(type => words[type] ?? type).join(' or ');
}

const NOT_A_MAP = 'must be a map, not ';

const pathKey = (key: unknown): string | number => (typeof key === 'number' ? key : String(key));

/** Unknown and pending fields, everywhere in the value. */
function shapeFaults(schema: AnySchema, value: unknown, path: Path): FieldIssue[] {
  const { pending } = metadataOf(schema);
  if (pending !== undefined && value !== undefined) {
    return [{ path: formatPath(path), message: pendingText(pending), code: 'Unsupported' }];
  }
  const inner = unwrap(schema, value);
  if (Array.isArray(value)) {
    // valibot takes a list for a map with the keys 0, 1, 2.
    if (inner.type === 'record' || entriesOf(inner) !== undefined)
      return [{ path: formatPath(path), message: `${NOT_A_MAP}a list` }];
    const item = schemaAt(inner, 'item');
    return item === undefined ? [] : value.flatMap((element, index) => shapeFaults(item, element, [...path, index]));
  }
  if (typeof value !== 'object' || value === null) return [];
  const entries = entriesOf(inner);
  if (entries === undefined) return inner.type === 'record' ? lostKeys(value, path) : [];
  return Object.entries(value).flatMap(([key, element]) => {
    const field = Object.hasOwn(entries, key) ? entries[key] : undefined;
    if (field !== undefined) return shapeFaults(field, element, [...path, key]);
    const instead = Object.entries(metadataOf(schema).instead ?? {}).find(([name]) => name === key)?.[1];
    const hint = instead === undefined ? didYouMean(key, Object.keys(entries)) : `; say ${instead}`;
    return [{ path: formatPath([...path, key]), message: `unknown field${hint}` }];
  });
}

/** Keys that valibot drops from a record without a word. */
function lostKeys(value: object, path: Path): FieldIssue[] {
  const lost = ['__proto__', 'prototype', 'constructor'].filter(key => Object.hasOwn(value, key));
  return lost.map(key => ({ path: formatPath([...path, key]), message: 'cannot be the name of anything here' }));
}

/** What `v.metadata({ kuke: ... })` says on the field, outside or inside an `optional`. */
export function metadataOf(schema: AnySchema): FieldMetadata {
  const pipe = 'pipe' in schema && Array.isArray(schema.pipe) ? schema.pipe : [];
  const wrapped = schemaAt(schema, 'wrapped');
  return Object.assign({}, ...(wrapped ? [metadataOf(wrapped)] : []), ...pipe.map(saidBy));
}

/** By one item of a pipe. */
export function saidBy(item: unknown): FieldMetadata {
  const metadata: unknown = typeof item === 'object' && item !== null ? Reflect.get(item, 'metadata') : undefined;
  return typeof metadata === 'object' && metadata !== null && 'kuke' in metadata
    ? (metadata.kuke as FieldMetadata)
    : {};
}

/** What `v.description(...)` says on the field, outside or inside an `optional`; the outermost counts. */
export function descriptionOf(schema: AnySchema): string | undefined {
  const pipe = 'pipe' in schema && Array.isArray(schema.pipe) ? schema.pipe : [];
  const own = pipe.findLast(item => item?.type === 'description')?.description;
  const wrapped = wrappedOf(schema);
  return own ?? (wrapped && descriptionOf(wrapped));
}

/** `spec.id` of every kind. */
export const ownId = v.exactOptional(
  v.pipe(v.string(), v.description('repeats metadata.name, and has to equal it; may be left out')),
);

/** `realmId` and the like: the name of a resource that it lies in. */
export const parentId = (what: string, defaultName: string) =>
  v.exactOptional(
    v.pipe(
      v.string(),
      v.metadata({ kuke: { pattern: NAME_SHAPE } satisfies FieldMetadata }),
      v.description(`names the ${what} that it lies in; absent: \`${defaultName}\``),
    ),
  );

/** A field that spec.md names and nothing acts on yet: refused by name. The text says how things are instead. */
export function notYet(instead: string) {
  const said = v.metadata({ kuke: { pending: instead } satisfies FieldMetadata });
  return v.exactOptional(v.pipe(v.unknown(), said, v.description(`not yet: ${instead}`)));
}

/** A value of a field that spec.md names and nothing acts on yet: `v.pipe(v.picklist(['a', 'b']), notYetFor(one => one === 'b', '...'))`. */
export function notYetFor<T>(isPending: (value: T) => boolean, instead: string) {
  const requirement = (value: T): boolean => !isPending(value);
  pendingValues.add(requirement);
  return v.check<T, string>(requirement, pendingText(instead));
}

/** The requirements of `notYetFor`, by which an issue is known to be of one. */
const pendingValues = new WeakSet<object>();

/** Whether an item of a pipe is one of `notYetFor`, and refuses the value. */
export function isPendingValue(item: object, value: unknown): boolean {
  const requirement: unknown = Reflect.get(item, 'requirement');
  return typeof requirement === 'function' && pendingValues.has(requirement) && requirement(value) === false;
}

const pendingText = (instead: string): string => `is known, but this version of kuke does not act on it: ${instead}`;

function codeOf({ requirement }: v.BaseIssue<unknown>): Pick<FieldIssue, 'code'> {
  const isPending = typeof requirement === 'function' && pendingValues.has(requirement);
  return isPending ? { code: 'Unsupported' } : {};
}

/** The schema inside optional, nullable and pipes; of a union, the option that takes the value's shape. */
function unwrap(schema: AnySchema, value: unknown): AnySchema {
  const wrapped = schemaAt(schema, 'wrapped');
  if (wrapped !== undefined) return unwrap(wrapped, value);
  if (schema.type !== 'union' || !('options' in schema) || !Array.isArray(schema.options)) return schema;
  const options: AnySchema[] = schema.options;
  const fitting = options.find(option => v.is(option, value)) ?? options.find(option => sameShape(option, value));
  return fitting === undefined ? schema : unwrap(fitting, value);
}

function sameShape(schema: AnySchema, value: unknown): boolean {
  if (Array.isArray(value)) return schemaAt(unwrap(schema, value), 'item') !== undefined;
  return typeof value === 'object' && value !== null && entriesOf(unwrap(schema, value)) !== undefined;
}

function schemaAt(schema: AnySchema, key: 'wrapped' | 'item'): AnySchema | undefined {
  const found: unknown = Reflect.get(schema, key);
  return isSchema(found) ? found : undefined;
}

/** What an `optional` is about; undefined for what is none. */
export const wrappedOf = (schema: AnySchema): AnySchema | undefined => schemaAt(schema, 'wrapped');

/** Of a list. */
export const elementOf = (schema: AnySchema): AnySchema | undefined => schemaAt(schema, 'item');

/** Of a union. */
export function optionsOf(schema: AnySchema): AnySchema[] | undefined {
  return schema.type === 'union' && 'options' in schema && Array.isArray(schema.options) ? schema.options : undefined;
}

function isSchema(value: unknown): value is AnySchema {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'schema';
}

export function entriesOf(schema: AnySchema): Record<string, AnySchema> | undefined {
  const entries: unknown = Reflect.get(schema, 'entries');
  return typeof entries === 'object' && entries !== null ? (entries as Record<string, AnySchema>) : undefined;
}

/** The schema of a field below `schema`, for values with that shape; undefined inside a record or where there is none. */
export function fieldSchema(schema: AnySchema, key: string | number, value: unknown): AnySchema | undefined {
  const inner = unwrap(schema, value);
  return typeof key === 'number' ? schemaAt(inner, 'item') : entriesOf(inner)?.[key];
}

/** The fields of an object's schema whose metadata is as asked: `fieldsWith(spec, said => said.sticky === true)`. */
export function fieldsWith(schema: AnySchema, wanted: (metadata: FieldMetadata) => boolean): string[] {
  const entries = Object.entries(entriesOf(unwrap(schema, {})) ?? {});
  return entries.flatMap(([name, field]) => (wanted(metadataOf(field)) ? [name] : []));
}
