/**
 * A scripted HTTP/2 server for tests: it speaks only what a test tells it to. Its framing is written anew, so that a mistake
 * in the client's cannot cancel itself out.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const TYPES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
] as const;
export type FrameType = (typeof TYPES)[number];

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

export interface PeerFrame {
  type: FrameType;
  flags: number;
  streamId: number;
  payload: Buffer;
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export class Peer {
  /** Called with every frame as it comes, before `next` sees it. */
  onFrame: (frame: PeerFrame) => void = () => {};
  /** True once the client has closed the connection. */
  closed = false;
  readonly #write: (bytes: Buffer) => void;
  #bytes: Buffer = Buffer.alloc(0);
  #prefaceSeen = false;
  readonly #frames: PeerFrame[] = [];
  #waiting: (() => void) | undefined;

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write;
  }

  /** What the client has sent. */
  received(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (!this.#prefaceSeen && this.#bytes.length >= PREFACE.length) {
      if (this.#bytes.toString('latin1', 0, PREFACE.length) !== PREFACE) throw new Error('no HTTP/2 preface');
      this.#prefaceSeen = true;
      this.#bytes = this.#bytes.subarray(PREFACE.length);
    }
    while (this.#prefaceSeen && this.#bytes.length >= 9) {
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) break;
      const type = TYPES[this.#bytes.readUInt8(3)];
      if (type === undefined) throw new Error(`the client sent a frame of type ${this.#bytes.readUInt8(3)}`);
      const frame: PeerFrame = {
        type,
        flags: this.#bytes.readUInt8(4),
        streamId: this.#bytes.readUInt32BE(5),
        payload: this.#bytes.subarray(9, end),
      };
      this.#bytes = this.#bytes.subarray(end);
      this.onFrame(frame);
      this.#frames.push(frame);
    }
    this.#wake();
  }

  gone(): void {
    this.closed = true;
    this.#wake();
  }

  /** The next frame of this type, on this stream if it says so; those before it are skipped. */
  async next(type: FrameType, streamId?: number): Promise<PeerFrame> {
    for (;;) {
      for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
        if (frame.type === type && (streamId === undefined || frame.streamId === streamId)) return frame;
      }
      if (this.closed) throw new Error(`the client closed the connection before it sent ${type}`);
      await new Promise<void>(resolve => {
        this.#waiting = resolve;
      });
    }
  }

  /** Resolves when the client has closed the connection. */
  async end(): Promise<void> {
    while (!this.closed) {
      await new Promise<void>(resolve => {
        this.#waiting = resolve;
      });
    }
  }

  raw(bytes: Buffer | string): void {
    this.#write(Buffer.from(bytes as string, 'latin1'));
  }

  frame(type: FrameType | number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): void {
    const header = Buffer.alloc(9);
    header.writeUIntBE(payload.length, 0, 3);
    header.writeUInt8(typeof type === 'number' ? type : TYPES.indexOf(type), 3);
    header.writeUInt8(flags, 4);
    header.writeUInt32BE(streamId, 5);
    this.#write(Buffer.concat([header, payload]));
  }

  settings(settings: Readonly<Record<number, number>> = {}): void {
    const entries = Object.entries(settings);
    const payload = Buffer.alloc(6 * entries.length);
    entries.forEach(([id, value], i) => {
      payload.writeUInt16BE(Number(id), 6 * i);
      payload.writeUInt32BE(value, 6 * i + 2);
    });
    this.frame('SETTINGS', 0, 0, payload);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.frame('WINDOW_UPDATE', 0, streamId, uint32(increment));
  }

  reset(streamId: number, code: number): void {
    this.frame('RST_STREAM', 0, streamId, uint32(code));
  }

  goaway(lastStreamId: number, code: number, debug = ''): void {
    this.frame('GOAWAY', 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code), Buffer.from(debug)]));
  }

  /** In HEADERS and as many CONTINUATIONs as `cuts` (positions in the block) make. */
  headers(
    streamId: number,
    fields: Readonly<Record<string, string>>,
    last = false,
    cuts: readonly number[] = [],
  ): void {
    const block = headerBlock(fields);
    const ends = [...new Set(cuts.map(cut => cut % block.length))].filter(cut => cut > 0).sort((a, b) => a - b);
    let start = 0;
    for (const end of [...ends, block.length]) {
      const flags = (end === block.length ? END_HEADERS : 0) | (start === 0 && last ? END_STREAM : 0);
      this.frame(start === 0 ? 'HEADERS' : 'CONTINUATION', flags, streamId, block.subarray(start, end));
      start = end;
    }
  }

  data(streamId: number, bytes: Uint8Array, last = false, padding?: number): void {
    const padded = padding === undefined ? bytes : Buffer.concat([Buffer.of(padding), bytes, Buffer.alloc(padding)]);
    this.frame('DATA', (padding === undefined ? 0 : PADDED) | (last ? END_STREAM : 0), streamId, padded);
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Literals without indexing, with names and values below 127 octets. */
export function headerBlock(fields: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).map(([name, value]) => {
      if (name.length > 126 || value.length > 126) throw new Error(`too long for this encoder: ${name}`);
      return Buffer.from(
        `\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`,
        'latin1',
      );
    }),
  );
}

export interface Server extends AsyncDisposable {
  readonly path: string;
  /** The peer of the client's n-th connection, from 0. */
  connection(n: number): Promise<Peer>;
}

/** Listens on a unix socket of its own, or `at` one that an earlier server had. `chop` says into pieces of how many bytes each write is cut; they are sent one by one. */
export function listen(script: (peer: Peer) => void = () => {}, chop?: () => number, at?: string): Server {
  const folder = at === undefined ? mkdtempSync(join(tmpdir(), 'kuke-peer-')) : dirname(at);
  mkdirSync(folder, { recursive: true });
  const path = at ?? join(folder, 'server.sock');
  const connections: PromiseWithResolvers<Peer>[] = [];
  const nth = (n: number) => (connections[n] ??= Promise.withResolvers());
  let count = 0;
  const listener = Bun.listen<{ peer: Peer; drain(): void }>({
    unix: path,
    socket: {
      open(socket) {
        const { write, drain } = writer(bytes => socket.write(bytes), chop);
        const peer = new Peer(write);
        socket.data = { peer, drain };
        script(peer);
        nth(count++).resolve(peer);
      },
      data: (socket, chunk) => socket.data.peer.received(chunk),
      drain: socket => socket.data.drain(),
      close: socket => socket.data.peer.gone(),
    },
  });
  return {
    path,
    connection: n => nth(n).promise,
    async [Symbol.asyncDispose]() {
      listener.stop(true);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Keeps what the socket does not take yet, and sends in pieces if `chop` says so. */
function writer(send: (bytes: Buffer) => number, chop: (() => number) | undefined) {
  let pending: Buffer = Buffer.alloc(0);
  let scheduled = false;
  const drain = () => {
    scheduled = false;
    const piece = chop === undefined ? pending : pending.subarray(0, chop());
    const sent = send(piece);
    if (sent < 0) pending = Buffer.alloc(0);
    else pending = pending.subarray(sent);
    if (pending.length > 0 && sent === piece.length) schedule();
  };
  const schedule = () => {
    if (!scheduled) setImmediate(drain);
    scheduled = true;
  };
  return {
    drain,
    write(bytes: Buffer) {
      pending = Buffer.concat([pending, bytes]);
      if (chop === undefined) drain();
      else schedule();
    },
  };
}
