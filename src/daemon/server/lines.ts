/** What is sent bit by bit: lines of JSON, or bytes. A reader that is slow is waited for a while, and then given up; it holds nobody up. */
import type { ServerResponse } from 'node:http';
import type { Limits } from './limits.ts';

export interface Lines {
  /** False: nobody reads any more. What is a string is a line of JSON already. */
  write(line: object | string): boolean;
  /** Resolves when what was written is on its way, as far as a reader reads; at once where nothing waits. */
  drained(): Promise<void>;
  end(): void;
  /** Nothing was sent yet, so an error may still be the answer. */
  readonly isBegun: boolean;
}

export interface Bytes {
  /** Resolves when there is room for more; false: nobody reads any more. */
  write(bytes: Uint8Array): Promise<boolean>;
  begin(): void;
  end(): void;
  readonly isBegun: boolean;
}

/** Of bytes, that are sent at once: less than is kept for a reader that is slow. */
const PIECE = 256 * 1024;

interface Outlet {
  send(chunk: string | Uint8Array): boolean;
  drained(): Promise<void>;
  end(): void;
  begin(): void;
  readonly isBegun: boolean;
}

/** Of a HEAD request all is sent but the content. */
export const isHead = ({ req }: ServerResponse): boolean => req.method === 'HEAD';

function makeOutlet(response: ServerResponse, limits: Limits, type: string, isGone: () => boolean): Outlet {
  let patience: Timer | undefined;
  let waiting: PromiseWithResolvers<void> | undefined;
  let isBegun = false;
  const giveUp = (): void => void response.destroy();
  const flowsAgain = (): void => {
    clearTimeout(patience);
    patience = undefined;
    waiting?.resolve();
    waiting = undefined;
  };
  const begin = (): void => {
    if (isBegun || isGone()) return;
    isBegun = true;
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' });
    response.flushHeaders();
    response.on('drain', flowsAgain);
    response.once('close', flowsAgain);
    if (isHead(response)) response.end();
  };
  // Nobody is to wait for what may come only much later.
  if (isHead(response)) begin();
  return {
    get isBegun() {
      return isBegun;
    },
    begin,
    send(chunk) {
      if (isGone()) return false;
      begin();
      if (response.writableEnded) return false;
      if (response.write(chunk)) return true;
      waiting ??= Promise.withResolvers();
      patience ??= setTimeout(giveUp, limits.unreadMs).unref();
      if (response.writableLength > limits.unreadBytes) giveUp();
      return !isGone();
    },
    drained: () => waiting?.promise ?? Promise.resolve(),
    end() {
      begin();
      if (!isGone() && !response.writableEnded) response.end();
    },
  };
}

/** Newline-delimited JSON. */
export function makeLines(response: ServerResponse, limits: Limits, isGone: () => boolean): Lines {
  const outlet = makeOutlet(response, limits, 'application/x-ndjson', isGone);
  return {
    get isBegun() {
      return outlet.isBegun;
    },
    write: line => outlet.send(typeof line === 'string' ? line : `${JSON.stringify(line)}\n`),
    drained: outlet.drained,
    end: outlet.end,
  };
}

export function makeBytes(response: ServerResponse, limits: Limits, type: string, isGone: () => boolean): Bytes {
  const outlet = makeOutlet(response, limits, type, isGone);
  return {
    get isBegun() {
      return outlet.isBegun;
    },
    begin: outlet.begin,
    async write(bytes) {
      for (let from = 0; from < bytes.length; from += PIECE) {
        // The bytes are the caller's again when this resolves.
        if (!outlet.send(Uint8Array.from(bytes.subarray(from, from + PIECE)))) return false;
        await outlet.drained();
      }
      return !isGone();
    },
    end: outlet.end,
  };
}
