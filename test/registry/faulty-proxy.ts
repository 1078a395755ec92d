/** A proxy before a registry on loopback that does to each answer what the next fault says, and nothing once there are no more. */

export type Fault =
  | { kind: 'none' }
  /** The connection is closed after so many bytes of the answer, headers included. */
  | { kind: 'drop'; after: number }
  /** Likewise, but by a reset, which may overtake those bytes. */
  | { kind: 'reset'; after: number }
  /** So many bytes are sent, then nothing more. */
  | { kind: 'stall'; after: number }
  /** The body is shorter, and its Content-Length says so. */
  | { kind: 'truncate'; to: number }
  /** So many bytes more than there are, and Content-Length says so. */
  | { kind: 'lengthen'; by: number }
  /** One bit of the body is another. */
  | { kind: 'corrupt'; at: number }
  | { kind: 'delay'; milliseconds: number }
  | { kind: 'status'; status: number; retryAfter?: string }
  /** A request for a part is answered with the whole. */
  | { kind: 'no-range' }
  /** A request for a part is answered with another part. */
  | { kind: 'wrong-range' }
  /** Bytes that are no HTTP. */
  | { kind: 'garbage' };

export interface FaultyProxy extends Disposable {
  host: string;
  /** `GET /v2/... drop` */
  seen: string[];
  /** What happens to the next answers. */
  next(...faults: Fault[]): void;
  /** Closes what stalls. */
  cut(): void;
}

interface Connection {
  request: string;
}

/** `upstream`: host and port. */
export function faultyProxy(upstream: string): FaultyProxy {
  const faults: Fault[] = [];
  const seen: string[] = [];
  const stalled = new Set<Bun.Socket<Connection>>();
  const listener = Bun.listen<Connection>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.data = { request: '' };
      },
      async data(socket, bytes) {
        socket.data.request += bytes.toString('latin1');
        if (!socket.data.request.includes('\r\n\r\n')) return;
        const request = readRequest(socket.data.request);
        socket.data.request = '';
        const fault = faults.shift() ?? { kind: 'none' };
        seen.push(`${request.method} ${request.path} ${fault.kind}`);
        if (fault.kind === 'delay') await Bun.sleep(fault.milliseconds);
        const answer = await answerTo(request, fault, upstream);
        await writeAll(socket, 'after' in fault ? answer.subarray(0, fault.after) : answer);
        if (fault.kind === 'stall') stalled.add(socket);
        if (fault.kind === 'reset') socket.terminate();
        // Once they have been read: what waits in the other side's buffers may go with the connection.
        if (fault.kind === 'drop') await Bun.sleep(10);
        if (fault.kind === 'drop' || fault.kind === 'garbage') socket.end();
      },
      drain: socket => drained.get(socket)?.(),
      close: socket => drained.get(socket)?.(),
      error() {},
    },
  });
  return {
    host: `127.0.0.1:${listener.port}`,
    seen,
    next: (...more) => void faults.splice(0, faults.length, ...more),
    cut() {
      for (const socket of stalled) socket.end();
      stalled.clear();
    },
    [Symbol.dispose]: () => listener.stop(true),
  };
}

const drained = new WeakMap<Bun.Socket<Connection>, () => void>();

async function writeAll(socket: Bun.Socket<Connection>, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0; ) {
    const written = socket.write(rest);
    if (written < 0) return;
    rest = rest.subarray(written);
    if (rest.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    drained.set(socket, resolve);
    await promise;
    if (socket.readyState !== 1) return;
  }
}

interface ReadRequest {
  method: string;
  path: string;
  headers: Headers;
}

function readRequest(text: string): ReadRequest {
  const [line = '', ...lines] = text.split('\r\n');
  const [method = '', path = ''] = line.split(' ');
  const headers = new Headers();
  for (const header of lines) {
    const colon = header.indexOf(':');
    const name = header.slice(0, Math.max(colon, 0)).toLowerCase();
    if (colon > 0 && name !== 'host' && name !== 'connection') headers.append(name, header.slice(colon + 1).trim());
  }
  return { method, path, headers };
}

async function answerTo({ method, path, headers }: ReadRequest, fault: Fault, upstream: string): Promise<Uint8Array> {
  if (fault.kind === 'garbage') return Buffer.from('220 this is a mail server\r\n\r\n');
  if (fault.kind === 'status') {
    const wait = fault.retryAfter === undefined ? '' : `Retry-After: ${fault.retryAfter}\r\n`;
    return Buffer.from(`HTTP/1.1 ${fault.status} Fault\r\n${wait}Content-Length: 0\r\n\r\n`);
  }
  if (fault.kind === 'no-range') headers.delete('range');
  const from = Number(/\d+/.exec(headers.get('range') ?? '')?.[0] ?? 0);
  if (fault.kind === 'wrong-range' && from > 0) headers.set('range', `bytes=${from - 1}-`);
  const answer = await fetch(`http://${upstream}${path}`, { method, headers, redirect: 'manual', proxy: false });
  const body = await answer.bytes();
  if (fault.kind === 'corrupt' && body.length > 0) {
    const at = fault.at % body.length;
    body[at] = (body[at] ?? 0) ^ 1;
  }
  const sent = fault.kind === 'truncate' ? body.subarray(0, fault.to) : body;
  const length = sent.length + (fault.kind === 'lengthen' ? fault.by : 0);
  const lines = [...answer.headers].filter(([name]) => !/^(?:content-length|connection|transfer-encoding)$/.test(name));
  const extra = fault.kind === 'lengthen' ? new Uint8Array(fault.by) : new Uint8Array();
  const head = [`HTTP/1.1 ${answer.status} Answer`, ...lines.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\nContent-Length: ${length}\r\n\r\n`), sent, extra]);
}
