/** A line to the daemon of this host. */
import type { Line } from './client.ts';

/** Undefined: nobody listens there, or not to us. */
export async function unixLine(path: string): Promise<Line | undefined> {
  let events: Parameters<Line['open']>[0] | undefined;
  let waiting: Uint8Array[] = [];
  const flush = (socket: Bun.Socket): void => {
    while (waiting[0] !== undefined) {
      const written = socket.write(waiting[0]);
      if (written < waiting[0].length) {
        waiting[0] = waiting[0].subarray(Math.max(0, written));
        return;
      }
      waiting.shift();
    }
  };
  const closed = (): void => {
    waiting = [];
    events?.closed();
  };
  try {
    const socket = await Bun.connect({
      unix: path,
      socket: { data: (_, chunk) => events?.received(chunk), drain: flush, close: closed, end: closed, error: closed },
    });
    return {
      isOfThisHost: true,
      write(bytes) {
        waiting.push(bytes);
        if (waiting.length === 1) flush(socket);
      },
      close: () => void socket.end(),
      open(given) {
        events = given;
      },
    };
  } catch {
    return undefined;
  }
}
