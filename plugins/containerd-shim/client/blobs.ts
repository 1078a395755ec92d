/** Whole blobs in and out of the content store, on top of Content.Write and Content.Read. */

import type { Message } from '../grpc/message.ts';
import { GrpcError, isGrpcError } from '../grpc/status.ts';
import type { Content, WriteContentResponse } from './content.ts';
import type { Bound, CallOptions, MessageStream } from './method.ts';

type ContentService = Bound<typeof Content>;

/** What containerd's own clients send at a time; its limit on a message is 16 MiB. */
const PIECE = 1024 * 1024;
/** Manifests, indexes and configs; the same limit as containerd's own for them. */
const DEFAULT_READ_LIMIT = 8 * 1024 * 1024;

export interface Upload {
  /** Names the upload until it is committed: a later one with the same ref goes on where this one broke off. */
  ref: string;
  /** `sha256:...`; the commit fails with FAILED_PRECONDITION if the bytes have another. */
  digest: string;
  /** In bytes; checked like the digest. */
  size: number;
  /** Of the new blob: `containerd.io/gc.ref.content.0` and the like. */
  labels?: Readonly<Record<string, string>>;
}

/**
 * Puts a blob into the content store. `source` gives its bytes from an offset on, which is above 0 where an earlier upload
 * broke off. `exists`: the blob was there already, with labels of its own; nothing was read. After an error the upload
 * can be continued, or dropped by `content.abort({ ref })`. UNAVAILABLE while another upload has the same ref.
 */
export async function upload(
  content: ContentService,
  { ref, digest, size, labels = {} }: Upload,
  source: (offset: number) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: CallOptions = {},
): Promise<'uploaded' | 'exists'> {
  const { send, sendWith, end, answers } = await content.write(options);
  try {
    await send({ action: 'STAT', ref, total: size, expected: digest });
    let { offset } = await nextAnswer(answers);
    const committed = untilCommitted(answers);
    // Without a listener a failure would be unhandled while the loop below waits; `send` tells of the same one.
    committed.catch(() => {});
    for await (const bytes of source(offset)) {
      for (let start = 0; start < bytes.length; start += PIECE) {
        const data = bytes.subarray(start, start + PIECE);
        await sendWith({ action: 'WRITE', ref, offset }, 'data', data);
        offset += data.length;
      }
    }
    await send({ action: 'COMMIT', ref, total: size, expected: digest, offset, labels });
    await end();
    await committed;
    return 'uploaded';
  } catch (error) {
    if (isGrpcError(error, 'ALREADY_EXISTS')) return 'exists';
    throw error;
  } finally {
    await answers.return();
  }
}

/** The bytes of a blob. Throws GrpcError NOT_FOUND; RESOURCE_EXHAUSTED for one above `limit` bytes. */
export async function readBlob(
  content: ContentService,
  digest: string,
  { limit = DEFAULT_READ_LIMIT, ...options }: CallOptions & { limit?: number } = {},
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const { data } of content.read({ digest }, options)) {
    pieces.push(data);
    length += data.length;
    if (length > limit) throw tooLarge(digest, limit);
  }
  return Buffer.concat(pieces, length);
}

type Answer = Message<typeof WriteContentResponse>;

async function nextAnswer(answers: MessageStream<Answer>): Promise<Answer> {
  const { value, done } = await answers.next();
  if (done) throw endedEarly();
  return value;
}

/** Takes the answers to the writes, too: unread, they would fill the stream's window. */
async function untilCommitted(answers: MessageStream<Answer>): Promise<void> {
  let committed = false;
  for await (const { action } of answers) committed ||= action === 'COMMIT';
  if (!committed) throw endedEarly();
}

function endedEarly(): GrpcError {
  const method = '/containerd.services.content.v1.Content/Write';
  return new GrpcError('INTERNAL', 'the upload was ended by the server', method);
}

function tooLarge(digest: string, limit: number): GrpcError {
  const method = '/containerd.services.content.v1.Content/Read';
  return new GrpcError('RESOURCE_EXHAUSTED', `${digest} is larger than ${limit} bytes`, method);
}
