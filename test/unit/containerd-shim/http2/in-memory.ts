/** A connection and its scripted peer without a socket between them: bytes travel in microtasks, in pieces as the test says. */
import { Connection } from '../../../../plugins/containerd-shim/http2/connection.ts';
import { Peer } from './peer.ts';

export interface Wire {
  connection: Connection;
  peer: Peer;
}

export interface Pieces {
  /** How many bytes the client's socket takes at a time; it then says that it is full until the next turn. */
  taken?: () => number;
  /** Into pieces of how many bytes the peer's writes are cut. */
  given?: () => number;
}

export function inMemory({ taken, given }: Pieces = {}): Wire {
  let closed = false;
  const later = (what: () => void) =>
    queueMicrotask(() => {
      if (!closed) what();
    });

  const peer = new Peer(bytes => {
    let rest: Buffer = bytes;
    while (rest.length > 0) {
      const piece = rest.subarray(0, given?.() ?? rest.length);
      later(() => connection.received(piece));
      rest = rest.subarray(piece.length);
    }
  });
  const connection = new Connection(
    {
      write(bytes) {
        if (closed) return -1;
        const count = Math.min(bytes.length, taken?.() ?? bytes.length);
        // A copy: the client is free to use its buffer again.
        const piece = bytes.slice(0, count);
        later(() => peer.received(piece));
        if (count < bytes.length) later(() => connection.drained());
        return count;
      },
      end() {
        // What was written before arrives before.
        queueMicrotask(() => {
          closed = true;
          peer.gone();
          connection.lost('closed');
        });
      },
      ref() {},
      unref() {},
    },
    'the peer',
  );
  return { connection, peer };
}
