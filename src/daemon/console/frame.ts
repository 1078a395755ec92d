/**
 * Frames over a byte stream: length (u32, of what follows), type (u8), channel (u32), payload; numbers as the network has them. A frame that
 * is longer than `LONGEST` is a breach of the protocol.
 */

export const LONGEST = 1 << 20;

const LENGTH = 4;
const HEAD = 5;

export interface Frame {
  type: number;
  channel: number;
  payload: Uint8Array;
}

export class FrameError extends Error {}

export function encodeFrame(type: number, channel: number, payload: Uint8Array): Uint8Array {
  const length = HEAD + payload.length;
  if (length > LONGEST) throw new FrameError(`a frame of ${length} bytes: ${LONGEST} are the most`);
  const bytes = new Uint8Array(LENGTH + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length);
  view.setUint8(LENGTH, type);
  view.setUint32(LENGTH + 1, channel);
  bytes.set(payload, LENGTH + HEAD);
  return bytes;
}

/** Bytes as they come, in; whole frames, out. Holds one frame and what came with its end, at most. */
export class FrameDecoder {
  #head = new Uint8Array(LENGTH);
  #body: Uint8Array = this.#head;
  #filled = 0;

  /** Throws FrameError for a frame that is too long, or too short to be one. */
  *decode(chunk: Uint8Array): Generator<Frame> {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(chunk.length - at, this.#body.length - this.#filled);
      this.#body.set(chunk.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled < this.#body.length) return;
      this.#filled = 0;
      if (this.#body === this.#head) this.#body = new Uint8Array(lengthIn(this.#head));
      else {
        const view = new DataView(this.#body.buffer);
        yield { type: view.getUint8(0), channel: view.getUint32(1), payload: this.#body.subarray(HEAD) };
        this.#body = this.#head;
      }
    }
  }
}

function lengthIn(head: Uint8Array): number {
  const length = new DataView(head.buffer).getUint32(0);
  if (length < HEAD || length > LONGEST) throw new FrameError(`a frame of ${length} bytes`);
  return length;
}
