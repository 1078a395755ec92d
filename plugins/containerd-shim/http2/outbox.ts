/** Frames on their way to the socket: gathered so that many go in one write, and kept while the socket is full. */
import { FRAME_HEADER_LENGTH, writeFrameHeader } from './frame.ts';

/** No more DATA is put in while this much waits for the socket. */
const HIGH_WATER = 256 * 1024;

export class Outbox {
  #buffer = new Uint8Array(16 * 1024);
  #start = 0;
  #end = 0;

  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  get hasRoom(): boolean {
    return this.#end - this.#start < HIGH_WATER;
  }

  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const target = this.raw(FRAME_HEADER_LENGTH + payload.length);
    writeFrameHeader(target, payload.length, type, flags, streamId);
    target.set(payload, FRAME_HEADER_LENGTH);
  }

  /** Space for `length` bytes at the end, to be filled in at once. */
  raw(length: number): Uint8Array {
    this.#makeRoom(length);
    const start = this.#end;
    this.#end += length;
    return this.#buffer.subarray(start, this.#end);
  }

  /** Hands all to `write`, which returns how many bytes it took (a negative number: none, the socket is closed). */
  flush(write: (bytes: Uint8Array) => number): void {
    if (this.isEmpty) return;
    this.#start += Math.max(write(this.#buffer.subarray(this.#start, this.#end)), 0);
    if (this.isEmpty) this.#start = this.#end = 0;
  }

  #makeRoom(length: number): void {
    if (this.#end + length <= this.#buffer.length) return;
    const pending = this.#buffer.subarray(this.#start, this.#end);
    const needed = pending.length + length;
    if (needed > this.#buffer.length) {
      this.#buffer = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      this.#buffer.set(pending);
    } else {
      this.#buffer.copyWithin(0, this.#start, this.#end);
    }
    this.#start = 0;
    this.#end = pending.length;
  }
}
