/** Manifests as JSON Schema (draft 2020-12), for editors: what the kinds' own schemas say, as far as that language can. */
import { type JsonSchema, type OverrideActionContext, toJsonSchema } from '@valibot/to-json-schema';
import type { KindDefinition, KindRegistry } from './kinds.ts';
import { envelope } from './manifest.ts';
import { isPendingValue, saidBy } from './schema.ts';

const DRAFT = 'https://json-schema.org/draft/2020-12/schema';

/** Of one kind, or of all by their `kind`, and of a list of them. */
export function manifestSchema(kinds: KindRegistry, only?: KindDefinition): JsonSchema {
  if (only !== undefined) return { $schema: DRAFT, ...ofKind(only) };
  const all = kinds.all().filter(({ lifecycle }) => lifecycle !== undefined);
  const refs = all.map(({ kind }) => ({ $ref: `#/$defs/${kind}` }));
  const list: JsonSchema = {
    description: 'several manifests in one document',
    type: 'object',
    properties: { apiVersion: {}, kind: { const: 'List' }, items: { type: 'array', items: { oneOf: refs } } },
    required: ['kind', 'items'],
  };
  const defs = all.map(kind => [kind.kind, ofKind(kind)]);
  return {
    $schema: DRAFT,
    title: 'manifest of kuke',
    oneOf: [...refs, { $ref: '#/$defs/List' }],
    $defs: { ...Object.fromEntries(defs), List: list },
  };
}

/** One that others declare has no manifest of its own. */
function ofKind({ kind, description, spec, embedded }: KindDefinition): JsonSchema {
  const own = fromValibot(spec);
  if (embedded !== undefined) return { title: kind, description, ...own };
  const of = fromValibot(envelope);
  return {
    ...of,
    title: kind,
    description,
    properties: {
      ...of.properties,
      kind: { const: kind },
      spec: own,
    },
  };
}

function fromValibot(schema: KindDefinition['spec']): JsonSchema {
  const { $schema: _, ...converted } = toJsonSchema(schema, {
    target: 'draft-2020-12',
    typeMode: 'input',
    // What only a program can say is left to kuke.
    errorMode: 'ignore',
    overrideAction,
  });
  return converted;
}

/** What the conversion makes of an action, less what is of kuke alone. */
function overrideAction({ valibotAction, jsonSchema }: OverrideActionContext): JsonSchema | undefined {
  const action: { type: string; requirement?: unknown } = valibotAction;
  if (action.type === 'check' && jsonSchema.enum !== undefined) {
    // Values on which nothing acts yet are refused by name.
    return { ...jsonSchema, enum: jsonSchema.enum.filter(value => !isPendingValue(action, value)) };
  }
  if (action.type === 'regex' && action.requirement instanceof RegExp) {
    const { source } = action.requirement;
    if (jsonSchema.pattern !== source)
      return { ...jsonSchema, allOf: [...(jsonSchema.allOf ?? []), { pattern: source }] };
  }
  if (action.type !== 'metadata') return undefined;
  const { pattern, pending } = saidBy(action);
  const { kuke: _, ...plain }: JsonSchema & { kuke?: unknown } = jsonSchema;
  if (pending !== undefined) return { ...plain, not: {} };
  return pattern === undefined ? plain : { ...plain, pattern };
}
