/** docs/reference/api.md, from the same document that the daemon serves at /openapi/v1. */
import type { JsonSchema } from '@valibot/to-json-schema';
import type { OpenApi, Operation } from '../../src/daemon/openapi.ts';
import { SHAPES } from '../../src/daemon/routes/answer-shapes.ts';
import { catalogue } from '../../src/kernel/errors.ts';
import { cell, page } from './page.ts';

export function apiPage({ paths }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ title: `${method.toUpperCase()} ${path}`, operation })),
  );
  const contents = operations.map(
    ({ title, operation }) => `- [${title}](#${operation.operationId.toLowerCase()}): ${operation.summary}`,
  );
  const codes = Object.entries(catalogue).map(([code, { http, exit }]) => `| \`${code}\` | ${http} | ${exit} |`);
  return page('API: every route', [
    'What the daemon serves on its socket; [api.md](../api.md) shows how it is used, and `/openapi/v1` says the same to programs. Where a kind is read or applied, [manifests.md](manifests.md) has its fields.',
    contents.join('\n'),
    ...operations.flatMap(({ title, operation }) => section(title, operation)),
    '## Answers',
    ...Object.entries(SHAPES).flatMap(([name, schema]) => [`### ${name}`, shapeText(schema)]),
    '## Errors',
    'The same codes as the command line’s, with its exit codes.',
    ['| code | HTTP | exit code |', '|---|---|---|', ...codes].join('\n'),
  ]);
}

function section(
  title: string,
  { operationId, summary, parameters = [], requestBody, responses }: Operation,
): string[] {
  const query = parameters.filter(one => one.in === 'query');
  const rows = query.map(
    ({ name, description = '', schema }) => `| \`${name}\` | ${cell(typeOf(schema))} | ${cell(description)} |`,
  );
  const answers = Object.entries(responses)
    .filter(([status]) => status !== 'default')
    .map(([status, { description, content = {} }]) => {
      const of = Object.entries(content).map(([type, { schema }]) => `${type}${nameIn(schema)}`);
      return `- ${status}: ${description}${of.length > 0 ? ` (${of.join(', ')})` : ''}`;
    });
  return [
    `## ${operationId}`,
    `    ${title}`,
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`,
    ...(rows.length > 0 ? [['| query | | |', '|---|---|---|', ...rows].join('\n')] : []),
    ...(requestBody === undefined ? [] : [`Body: ${bodyText(requestBody)}`]),
    answers.join('\n'),
  ];
}

function bodyText(body: object): string {
  const { content } = body as { content: Record<string, { schema: JsonSchema }> };
  const [type = ''] = Object.keys(content);
  const schema = content[type]?.schema ?? {};
  if (schema.properties === undefined) return `${schema.description}, as ${Object.keys(content).join(' or ')}.`;
  return `${type}:\n\n${shapeText(schema)}`;
}

const nameOfRef = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

function nameIn(schema: JsonSchema): string {
  const { $ref, properties: { items: list } = {} } = schema;
  if ($ref !== undefined) return `: ${nameOfRef($ref)}`;
  const element = typeof list === 'object' ? list.items : undefined;
  const of = typeof element === 'object' && !Array.isArray(element) ? element.$ref : undefined;
  return of === undefined ? '' : `, its \`items\` are each a ${nameOfRef(of)}`;
}

function typeOf(schema: JsonSchema): string {
  const { $ref, type, enum: values, const: only, items, anyOf, oneOf } = schema;
  if ($ref !== undefined) return nameOfRef($ref);
  if (values !== undefined) return values.map(one => `\`${String(one)}\``).join(', ');
  if (only !== undefined) return `\`${String(only)}\``;
  if (typeof items === 'object' && !Array.isArray(items)) return `list of ${typeOf(items)}`;
  const either = anyOf ?? oneOf;
  if (either !== undefined) return either.map(one => (typeof one === 'object' ? typeOf(one) : '')).join(' or ');
  return typeof type === 'string' ? type : 'anything';
}

function shapeText(schema: JsonSchema): string {
  const either = schema.oneOf;
  if (either !== undefined) {
    const parts = either.flatMap(one =>
      typeof one === 'object' ? [[one.description ?? 'a line', shapeText(one)] as const] : [],
    );
    return parts.map(([what, text]) => `${what.charAt(0).toUpperCase()}${what.slice(1)}:\n\n${text}`).join('\n\n');
  }
  const all = [schema, ...(schema.allOf ?? [])].filter(one => typeof one === 'object');
  const refs = all.flatMap(({ $ref }) => ($ref === undefined ? [] : [`and the fields of ${nameOfRef($ref)}`]));
  const rows = all.flatMap(({ properties = {}, required = [] }) =>
    Object.entries(properties).map(([name, field]) => {
      const given = typeof field === 'object' ? field : {};
      const must = required.includes(name) ? '' : ' *may be absent*';
      return `| \`${name}\` | ${cell(typeOf(given))} | ${cell(`${given.description ?? ''}${must}`.trim())} |`;
    }),
  );
  return [['| field | type | |', '|---|---|---|', ...rows].join('\n'), ...refs].join('\n\n');
}
