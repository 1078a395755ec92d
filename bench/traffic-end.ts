/**
 * One end of what is measured: `serve ADDRESS PORT` answers a byte with a byte and swallows all else; `send ADDRESS PORT MEBIBYTES` and
 * `ask ADDRESS PORT TIMES` print the milliseconds that they took.
 */
export {};

const [, , what = '', hostname = '', port = '', count = '0'] = process.argv;
const CHUNK = new Uint8Array(256 * 1024);
const BYTE = new Uint8Array([1]);

/** A connection begins with what it is for. */
const SEND = 1;
const ASK = 2;

if (what === 'serve') serve();
else if (what === 'send') await send(Number(count) << 20);
else await ask(Number(count));

function serve(): void {
  interface State {
    kind?: number | undefined;
    seen: number;
    wanted: number;
  }
  Bun.listen<State>({
    hostname,
    port: Number(port),
    socket: {
      open(socket) {
        socket.data = { seen: 0, wanted: 0 };
        socket.setNoDelay(true);
      },
      data(socket, bytes) {
        const state = socket.data;
        let at = 0;
        if (state.kind === undefined) {
          state.kind = bytes[0];
          state.wanted = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true);
          at = 5;
        }
        if (state.kind === ASK && bytes.length > at) socket.write(BYTE);
        state.seen += bytes.length - at;
        if (state.kind === SEND && state.seen === state.wanted) socket.write(BYTE);
      },
    },
  });
  console.log('serving');
}

function hello(kind: number, size: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = kind;
  new DataView(bytes.buffer).setUint32(1, size, true);
  return bytes;
}

async function send(size: number): Promise<void> {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let left = size;
  const push = (socket: Bun.Socket) => {
    while (left > 0) {
      const written = socket.write(left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left));
      left -= Math.max(0, written);
      if (written < CHUNK.length) return;
    }
  };
  const since = performance.now();
  const socket = await Bun.connect({ hostname, port: Number(port), socket: { drain: push, data: () => resolve() } });
  socket.write(hello(SEND, size));
  push(socket);
  await done;
  print(since);
}

async function ask(times: number): Promise<void> {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let left = times;
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(socket) {
        left--;
        if (left > 0) socket.write(BYTE);
        else resolve();
      },
    },
  });
  socket.setNoDelay(true);
  const since = performance.now();
  socket.write(hello(ASK, 0));
  socket.write(BYTE);
  await done;
  print(since);
}

function print(since: number): void {
  console.log(performance.now() - since);
  process.exit(0);
}
