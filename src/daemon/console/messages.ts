/** What a client may say, as it is checked before it is believed. */
import * as v from 'valibot';
import type { ClientMessage, RunRequest } from './protocol.ts';

const descriptor = v.object({ terminal: v.boolean(), columns: v.number(), rows: v.number() });
const descriptors = v.tuple([descriptor, descriptor, descriptor]);

const request = v.object({
  type: v.literal('run'),
  argv: v.array(v.string()),
  env: v.record(v.string(), v.string()),
  cwd: v.pipe(v.string(), v.startsWith('/')),
  stdio: descriptors,
  program: v.exactOptional(v.string()),
});

const message = v.variant('type', [
  v.object({
    type: v.literal('signal'),
    name: v.pipe(v.string(), v.regex(/^SIG[A-Z0-9]+$/)),
    stdio: v.exactOptional(descriptors),
  }),
  v.object({
    type: v.literal('looked'),
    channel: v.number(),
    what: v.nullable(v.picklist(['file', 'folder', 'other'])),
    hasFolder: v.boolean(),
  }),
  v.object({ type: v.literal('saved'), channel: v.number() }),
  v.object({ type: v.literal('unpacked'), channel: v.number(), files: v.number(), bytes: v.number() }),
]);

/** Throws for what is no such thing. */
export const readRequest = (value: unknown): RunRequest => v.parse(request, value);
export const readMessage = (value: unknown): ClientMessage => v.parse(message, value);
