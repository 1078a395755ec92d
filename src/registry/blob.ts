/** Blobs: large, read as a stream, gone on with after a dropped connection (distribution-spec, Pulling blobs; RFC 9110, 14). */
import type { Context } from './context.ts';
import { shortDigest } from './digest.ts';
import { RegistryError } from './errors.ts';
import type { Host } from './host.ts';
import type { Answer } from './transport.ts';
import type { Descriptor } from './types.ts';

// So much on one connection shows that it is worth having another; fewer could go on for ever.
const progress = 1 << 16;

/** The bytes of a blob from `from` on, by one host, with retries; throws once that one is not to be had any more. */
export async function* fetchBlob(
  host: Host,
  { digest, size }: Descriptor,
  from: number,
  context: Context,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const at = { reference: context.name, step: `fetch the blob ${shortDigest(digest)}` };
  const patience = host.patience();
  let position = from;
  while (position < size) {
    const start = position;
    try {
      const answer = await host.get(`blobs/${digest}`, position === 0 ? {} : { range: `bytes=${position}-` }, at);
      for await (const chunk of bytesOf(answer, position, size, context.signal)) {
        position += chunk.length;
        if (position - start >= progress) patience.restore();
        yield chunk;
      }
    } catch (error) {
      if (position < size) await patience.afterwards(host.fault(error, at));
    }
  }
}

/** The bytes of an answer from `position` on, to the end of the blob, and of the answer, whose connection serves for the next then. */
async function* bytesOf(answer: Answer, position: number, size: number, signal: AbortSignal) {
  try {
    let skip = startOf(answer, position, size);
    let left = size - position;
    for (let chunk = await answer.read(signal); chunk !== undefined; chunk = await answer.read(signal)) {
      const wanted = skip === 0 ? chunk : chunk.subarray(skip);
      skip -= chunk.length - wanted.length;
      left -= wanted.length;
      if (left < 0) throw new RegistryError('corrupt', `it sends more than the ${size} bytes of the blob`);
      if (wanted.length > 0) yield wanted;
    }
    if (left > 0) {
      throw new RegistryError('unreachable', `its answer ended after ${size - left} of ${size} bytes`, {
        transient: true,
      });
    }
  } finally {
    answer.close();
  }
}

/** How many bytes of the answer are already there. Throws where it is about other bytes than those asked for. */
function startOf({ status, headers }: Answer, position: number, size: number): number {
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    throw new RegistryError('refused', `it sends the blob encoded (${encoding.slice(0, 40)}), which was not asked for`);
  }
  if (status === 206) {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
    if (Number(first) === position && (total === '*' || Number(total) === size)) return 0;
    throw new RegistryError('refused', `asked for bytes ${position} to ${size - 1}, it sends others`);
  }
  const length = headers.get('content-length');
  if (length !== null && Number(length) !== size) {
    throw new RegistryError('corrupt', `its blob has ${Number(length)} bytes, not ${size}`);
  }
  return position;
}
