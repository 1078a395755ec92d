/** What a client may say, as it is checked before it is believed. */
import * as v from 'valibot';
import { type ClientMessage, MOST_CHARACTERS, type RunRequest } from './protocol.ts';

/** Of a terminal: 0 where it does not say. */
export const characters = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MOST_CHARACTERS));

const descriptor = v.object({ terminal: v.boolean(), columns: characters, rows: characters });
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
