/** The body of a request, which is bounded, and bounded with all others that are read at once. */
import type { IncomingMessage } from 'node:http';
import { KukeError } from '../../kernel/errors.ts';
import type { Limits } from './limits.ts';
import type { Quota } from './quota.ts';

const PIECE = 64 * 1024;

/** What the request says that it will send; undefined: it does not say. */
export function announcedBytes(request: IncomingMessage): number | undefined {
  const length = request.headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

export const tooLarge = (limits: Limits): KukeError =>
  new KukeError('TooLarge', `a body has at most ${limits.bodyBytes} bytes`);

export interface Body extends Disposable {
  text: string;
}

/** All of it, as text. `using` gives its share of the memory back. Throws TooLarge, Busy, Usage, Cancelled. */
export async function readBody(request: IncomingMessage, limits: Limits, memory: Quota, uid: number): Promise<Body> {
  const shares: (() => void)[] = [];
  const giveBack = (): void => {
    for (const share of shares.splice(0)) share();
  };
  try {
    if ((announcedBytes(request) ?? 0) > limits.bodyBytes) throw tooLarge(limits);
    const pieces: Buffer[] = [];
    let size = 0;
    await eachPiece(request, piece => {
      if (size + piece.length > limits.bodyBytes) throw tooLarge(limits);
      for (let held = shares.length * PIECE; held < size + piece.length; held += PIECE) {
        const share = memory.take(uid, PIECE);
        if (share === undefined) throw new KukeError('Busy', 'too many large requests at once');
        shares.push(share);
      }
      size += piece.length;
      pieces.push(piece);
    });
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(Buffer.concat(pieces));
    return { text, [Symbol.dispose]: giveBack };
  } catch (thrown) {
    giveBack();
    if (thrown instanceof KukeError) throw thrown;
    if (thrown instanceof TypeError) throw new KukeError('Usage', 'the body is not UTF-8', { remedy: 'send UTF-8' });
    throw new KukeError('Cancelled', 'the client has gone');
  }
}

/** As they come and are wanted; between two pieces `patienceMs` at most. Throws RequestTimeout and Cancelled. */
export async function* bytesOf(request: IncomingMessage, patienceMs: number): AsyncGenerator<Uint8Array> {
  const pieces = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => late.reject(new KukeError('RequestTimeout', `nothing more has come for ${patienceMs / 1000} s`)),
        patienceMs,
      );
      try {
        const next: IteratorResult<Uint8Array> = await Promise.race([pieces.next(), late.promise]);
        if (next.done) break;
        yield next.value;
      } finally {
        clearTimeout(timer);
      }
    }
  } catch (thrown) {
    throw thrown instanceof KukeError ? thrown : new KukeError('Cancelled', 'the client has gone');
  } finally {
    request.resume(); // what nobody wants is read past
  }
  if (!request.complete) throw new KukeError('Cancelled', 'the client has gone');
}

/** What `take` throws ends it, and the rest is read past: a stream that is left half-read takes its connection along, before an answer. */
function eachPiece(request: IncomingMessage, take: (piece: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const read = (piece: Buffer): void => {
      try {
        take(piece);
      } catch (thrown) {
        request.off('data', read);
        request.resume();
        reject(thrown);
      }
    };
    request.on('data', read);
    request.once('end', resolve);
    request.once('error', reject);
    request.once('close', () => reject(new KukeError('Cancelled', 'the client has gone')));
  });
}
