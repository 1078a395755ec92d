/** What a schema says of each of its fields, for people: `kuke explain` and the reference page. */
import type * as v from 'valibot';
import { type Change, type KindDefinition, type KindRegistry, scopeField } from './kinds.ts';
import { envelope } from './manifest.ts';
import { descriptionOf, elementOf, entriesOf, metadataOf, optionsOf, wrappedOf } from './schema.ts';

export interface Field {
  name: string;
  /** `string`, `list of strings`, `map` */
  type: string;
  required: boolean;
  description: string;
  /** What a change of it takes. */
  change: Change;
  /** Where a manifest leaves it out. */
  default?: unknown;
  /** All that it may be. */
  values?: string[];
  /** Nothing acts on it yet: how things are instead. */
  pending?: string;
  /** Those below it: of a map, or of each element of a list. */
  fields: Field[];
}

/** The whole manifest of a kind: `apiVersion`, `kind`, `metadata`, `spec`, `status`. One that others declare has no manifest, and fields alone. */
export function fieldsOfKind(kinds: KindRegistry, { kind, spec, description, embedded }: KindDefinition): Field[] {
  if (embedded !== undefined) return fieldsOf(spec, 'recreate');
  // Another name or place is another resource.
  const ofPlace = new Set(['id', ...kinds.above(kind).map(above => scopeField(above.kind))]);
  const own: Record<string, Partial<Field>> = {
    kind: { values: [kind] },
    spec: { type: 'map', description, fields: fieldsOf(spec, 'in-place', name => ofPlace.has(name)) },
    status: { type: 'map' },
  };
  return fieldsOf(envelope).map(field => ({ ...field, ...own[field.name] }));
}

/** Of an object's schema, of a list's elements, or of the option that is one. `inherited`: what a change takes where a field does not say. */
export function fieldsOf(
  schema: v.GenericSchema,
  inherited: Change = 'in-place',
  isFixed: (name: string) => boolean = () => false,
): Field[] {
  const inner = insideOf(schema);
  const entries = Object.entries(entriesOf(inner) ?? {});
  return entries.map(([name, field]) => fieldOf(name, field, isFixed(name) ? 'immutable' : inherited));
}

function fieldOf(name: string, schema: v.GenericSchema, inherited: Change): Field {
  const { change = inherited, pending } = metadataOf(schema);
  const values = valuesOf(schema);
  const given: unknown = Reflect.get(schema, 'default');
  return {
    name,
    type: typeOf(schema),
    required: wrappedOf(schema) === undefined,
    description: descriptionOf(schema) ?? '',
    change,
    ...(given !== undefined && { default: given }),
    ...(values && { values }),
    ...(pending !== undefined && { pending }),
    fields: fieldsOf(schema, change),
  };
}

/** Down to what has fields, if anything has. */
function insideOf(schema: v.GenericSchema): v.GenericSchema {
  const inner = wrappedOf(schema) ?? elementOf(schema) ?? optionsOf(schema)?.find(one => entriesOf(insideOf(one)));
  return inner === undefined ? schema : insideOf(inner);
}

function valuesOf(schema: v.GenericSchema): string[] | undefined {
  const inner = wrappedOf(schema);
  if (inner !== undefined) return valuesOf(inner);
  if (schema.type === 'literal') return [String(Reflect.get(schema, 'literal'))];
  const options: unknown = Reflect.get(schema, 'options');
  return schema.type === 'picklist' && Array.isArray(options) ? options.map(String) : undefined;
}

function typeOf(schema: v.GenericSchema): string {
  const inner = wrappedOf(schema);
  if (inner !== undefined) return typeOf(inner);
  const element = elementOf(schema);
  if (element !== undefined) return `list of ${plural(typeOf(element))}`;
  const options = optionsOf(schema);
  if (options !== undefined) return [...new Set(options.map(typeOf))].join(' or ');
  if (schema.type === 'record') return `map of ${plural(typeOf(elementOfMap(schema)))}`;
  if (entriesOf(schema) !== undefined) return 'map';
  return words[schema.type] ?? schema.type;
}

function elementOfMap(schema: v.GenericSchema): v.GenericSchema {
  return Reflect.get(schema, 'value') as v.GenericSchema;
}

const words: Readonly<Record<string, string>> = { picklist: 'string', literal: 'string', unknown: 'anything' };

const plural = (type: string): string => type.replace(/\b(string|number|boolean|map|list)\b/g, '$1s');
