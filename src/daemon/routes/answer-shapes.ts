/** What answers look like, for the OpenAPI document: each a schema by its name there. */
import type { JsonSchema } from '@valibot/to-json-schema';
import type { AnswerShape } from './route.ts';

const text: JsonSchema = { type: 'string' };
const texts: JsonSchema = { type: 'array', items: text };
const object = (properties: Record<string, JsonSchema>, optional: readonly string[] = []): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter(name => !optional.includes(name)),
});
const described = (description: string, schema: JsonSchema): JsonSchema => ({ ...schema, description });
export const refTo = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
const list = (name: string): JsonSchema => ({ type: 'array', items: refTo(name) });

const END = {
  plan: described('of a dry run: the steps, in their order', list('PlannedStep')),
  error: described('the first that failed', refTo('Error')),
  exitCode: { type: 'integer' } as const,
};
const OPTIONAL_END = ['plan', 'error'];

/** Beside those of the kinds. */
export const SHAPES: Record<string, JsonSchema> = {
  Error: object(
    {
      code: described('stable, for programs: `NotFound`', text),
      message: text,
      resource: described('`cell main/default/blog/web`', text),
      step: described('what was being done: `network.attach`', text),
      field: described('path of the field at fault', text),
      remedy: described('what to do next', text),
      exitCode: described('that of the command line for the same', { type: 'integer' }),
      also: described('what else failed on the way', list('Error')),
    },
    ['resource', 'step', 'field', 'remedy'],
  ),
  ErrorAnswer: object({ error: refTo('Error') }),
  Change: object(
    {
      path: described('`spec.containers[web].image`', text),
      from: {},
      to: {},
      change: { enum: ['in-place', 'recreate', 'immutable'] },
    },
    ['from', 'to'],
  ),
  Outcome: object(
    {
      resource: described('`cell main/default/blog/web`', text),
      kind: text,
      path: described('names, from the realm down', texts),
      result: { enum: ['created', 'updated', 'unchanged', 'deleted', 'not found', 'not applied', 'failed'] },
      changes: list('Change'),
      steps: described('what was done to the host: `network.attach`', texts),
      notes: described('what a person should know', texts),
      error: refTo('Error'),
    },
    ['error'],
  ),
  PlannedStep: object({ resource: text, step: text, command: described('that a person would type for it', text) }),
  Result: object(
    {
      outcomes: list('Outcome'),
      notices: described('who holds the lock, what an earlier command left', texts),
      ...END,
    },
    OPTIONAL_END,
  ),
  Progress: described('a line, while a change goes on', {
    oneOf: [
      object(
        {
          type: { const: 'progress' },
          phase: { enum: ['start', 'progress', 'done', 'failed', 'undo'] },
          resource: text,
          step: text,
          message: text,
          transfer: { type: 'object' },
        },
        ['message', 'transfer'],
      ),
      object({ type: { const: 'notice' }, message: text }),
      { allOf: [object({ type: { const: 'outcome' } }), refTo('Outcome')] },
      described('the last line', object({ type: { const: 'result' }, ...END }, OPTIONAL_END)),
      described('the last line, where nothing came of it', object({ type: { const: 'error' }, error: refTo('Error') })),
    ],
  }),
  WatchEvent: {
    oneOf: [
      object({ type: { enum: ['ADDED', 'MODIFIED', 'DELETED'] }, revision: text, object: { type: 'object' } }),
      described(
        'how far the client is; the first one comes after all that is there',
        object({ type: { const: 'BOOKMARK' }, revision: text }),
      ),
      described('the last line', object({ type: { const: 'ERROR' }, error: refTo('Error') })),
    ],
  },
  Revision: object(
    {
      revision: { type: 'integer' },
      at: described('RFC 3339; absent of what was there before the first change', text),
      by: described(
        'who made it',
        object({ uid: { type: 'integer' }, user: text, login: text }, ['uid', 'user', 'login']),
      ),
      command: described('`kuke apply -f web.yaml`', text),
      changes: { type: 'array', items: object({ path: text, from: {}, to: {} }, ['from', 'to']) },
      manifest: { type: 'object' },
    },
    ['at', 'by', 'command'],
  ),
  Event: object(
    {
      at: described('RFC 3339', text),
      resource: described('`cell main/default/blog/web`', text),
      what: described('`died`, `restarted`, `unhealthy`, ...; of a command `created`, `stopped`, ...', text),
      containers: texts,
      exitCode: { type: 'integer' },
      message: text,
      by: text,
      command: text,
    },
    ['containers', 'exitCode', 'message', 'by', 'command'],
  ),
  Image: object({ name: text, digest: text, size: { type: 'integer' }, platforms: texts, createdAt: text }),
  Figure: object({
    average: { type: 'number' },
    peak: { type: 'number' },
    points: described('null: nothing is known of that time', { type: 'array', items: { type: ['number', 'null'] } }),
  }),
  UsedBy: object(
    {
      kind: described('absent of `total`', text),
      name: text,
      path: texts,
      cgroup: text,
      cpu: object({ cpus: refTo('Figure') }),
      memory: object({ usedBytes: refTo('Figure') }),
      io: described('bytes a second', object({ readBps: refTo('Figure'), writeBps: refTo('Figure') })),
    },
    ['kind', 'name', 'path', 'cgroup', 'cpu', 'memory', 'io'],
  ),
  Usage: object(
    {
      from: described('RFC 3339: the first reading of that time', text),
      to: text,
      intervalSeconds: described('between two readings', { type: 'number' }),
      times: described('RFC 3339: the end of the time that each point is of', texts),
      total: refTo('UsedBy'),
      items: list('UsedBy'),
    },
    ['from', 'to'],
  ),
  Finding: object(
    {
      level: { enum: ['ok', 'warning', 'error'] },
      code: text,
      what: text,
      remedy: text,
      fixable: { type: 'boolean' },
      fixed: { type: 'boolean' },
    },
    ['remedy', 'fixed'],
  ),
};

export const shape = (what: string, name: string): AnswerShape => ({ what, schema: refTo(name) });
export const listOf = (what: string, name: string): AnswerShape => ({
  what,
  schema: object({ items: list(name) }),
});
export const lines = (what: string, name: string): AnswerShape => ({
  what,
  type: 'application/x-ndjson',
  schema: refTo(name),
});
