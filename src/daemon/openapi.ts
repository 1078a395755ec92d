/** The API as an OpenAPI 3.1 document, whose schemas are JSON Schemas (draft 2020-12): from the routes, and from the kinds' own schemas. */
import { type JsonSchema, toJsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import { manifestSchema } from '../kernel/json-schema.ts';
import type { KindRegistry } from '../kernel/kinds.ts';
import { refTo, SHAPES } from './routes/answer-shapes.ts';
import type { Route, UpgradeRoute } from './routes/route.ts';

export interface OpenApiOptions {
  routes: readonly Route[];
  upgrades: readonly UpgradeRoute[];
  kinds: KindRegistry;
  version: string;
}

export interface OpenApi {
  openapi: '3.1.0';
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonSchema> };
}

export interface Operation {
  operationId: string;
  summary: string;
  parameters?: Parameter[];
  requestBody?: object;
  responses: Record<string, { description: string; content?: Record<string, { schema: JsonSchema }> }>;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query';
  required: boolean;
  description?: string;
  schema: JsonSchema;
}

export function openApiOf({ routes, upgrades, kinds, version }: OpenApiOptions): OpenApi {
  const paths: OpenApi['paths'] = {};
  const add = (method: string, path: string, operation: Operation): void => {
    const place = path.replace(/:(\w+)/g, '{$1}');
    paths[place] = { ...paths[place], [method.toLowerCase()]: operation };
  };
  for (const one of routes) add(one.method, one.path, operationOf(one));
  for (const one of upgrades) add(one.method, one.path, upgradeOf(one));
  return {
    openapi: '3.1.0',
    info: {
      title: 'kukeond',
      version,
      description: 'kuke’s daemon, on the socket /run/kukeon/kukeond.sock',
    },
    paths,
    components: { schemas: { ...SHAPES, ...kindSchemas(kinds) } },
  };
}

/** `manifestSchema` refers to its own definitions; here they stand among the others. */
function kindSchemas(kinds: KindRegistry): Record<string, JsonSchema> {
  const { $defs = {} } = manifestSchema(kinds);
  const others = kinds.all().filter(({ embedded }) => embedded !== undefined);
  const all = {
    ...$defs,
    ...Object.fromEntries(others.map(kind => [kind.kind, withoutDraft(manifestSchema(kinds, kind))])),
  };
  const moved: unknown = JSON.parse(JSON.stringify(all).replaceAll('"#/$defs/', '"#/components/schemas/'));
  return moved as Record<string, JsonSchema>;
}

const withoutDraft = ({ $schema: _, ...schema }: JsonSchema): JsonSchema => schema;

function operationOf({ id, summary, path, query = {}, body, answers }: Route): Operation {
  const parameters = [...pathParameters(path), ...queryParameters(query)];
  const responses: Operation['responses'] = Object.fromEntries(
    Object.entries(answers).map(([status, { what, type = 'application/json', schema = {} }]) => [
      status,
      { description: what, content: { [type]: { schema } } },
    ]),
  );
  return {
    operationId: id,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: bodyOf(body) }),
    responses: { ...responses, ...ERRORS },
  };
}

const ERRORS: Operation['responses'] = {
  default: { description: 'it failed', content: { 'application/json': { schema: refTo('ErrorAnswer') } } },
};

function upgradeOf({ id, summary, path, query = {}, protocol }: UpgradeRoute): Operation {
  return {
    operationId: id,
    summary: `${summary} (\`Upgrade: ${protocol}\`)`,
    parameters: [...pathParameters(path), ...queryParameters(query)],
    responses: { 101: { description: `the connection is ${protocol}’s now` }, ...ERRORS },
  };
}

const pathParameters = (path: string): Parameter[] =>
  [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));

function queryParameters(query: Record<string, v.GenericSchema>): Parameter[] {
  return Object.entries(query).map(([name, schema]) => {
    const { description, ...plain } = jsonSchemaOf(schema);
    return { name, in: 'query', required: false, ...(description !== undefined && { description }), schema: plain };
  });
}

function bodyOf(body: NonNullable<Route['body']>): object {
  if (body === 'bytes') {
    const schema: JsonSchema = { description: 'as it is, of any length' };
    return { required: true, content: { 'application/octet-stream': { schema } } };
  }
  if (body !== 'manifests') return { required: true, content: { 'application/json': { schema: jsonSchemaOf(body) } } };
  const schema: JsonSchema = { description: 'one manifest, a List, or several YAML documents' };
  return { required: true, content: { 'application/yaml': { schema }, 'application/json': { schema } } };
}

/** What only a program can say is left to the daemon. */
function jsonSchemaOf(schema: v.GenericSchema): JsonSchema {
  const { $schema: _, ...converted } = toJsonSchema(schema, {
    target: 'draft-2020-12',
    typeMode: 'input',
    errorMode: 'ignore',
  });
  return converted;
}
