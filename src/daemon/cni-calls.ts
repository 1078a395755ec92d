/** Calls of the program as a CNI plugin, which kukeond answers for it (src/cni/plugins/hand-over.ts): root's alone, on a socket of their own. */
import { chmodSync, rmSync } from 'node:fs';
import type { StartPart } from './serve.ts';

/** What the CNI plugins are to the daemon. */
export interface CniCalls {
  socket: string;
  /** What is said to who connects. */
  greeting(): string;
  /**
   * Answers one call, a line of JSON, with another. `undo` takes back what it made, where the answer does not arrive; where it does, `afterwards`
   * is done, for which the caller does not wait.
   */
  answer(
    call: string,
    signal: AbortSignal,
  ): Promise<{ line: string; undo?: () => Promise<unknown>; afterwards: () => Promise<unknown> }>;
}

interface Connection {
  text: string;
  decoder: TextDecoder;
  isAsked: boolean;
  gone: AbortController;
}

/** A GC of 50,000 attachments fits, and what JSON makes of it. */
const LONGEST = 40 << 20;

export const startCniCalls =
  (calls: CniCalls): StartPart =>
  async ({ log }) => {
    rmSync(calls.socket, { force: true }); // a dead daemon's: this one is the only one
    const running = new Set<Promise<void>>();
    const mask = process.umask(0o177);
    const server = Bun.listen<Connection>({
      unix: calls.socket,
      socket: {
        open(socket) {
          socket.data = { text: '', decoder: new TextDecoder(), isAsked: false, gone: new AbortController() };
          socket.write(`${calls.greeting()}\n`);
        },
        data(socket, bytes) {
          const { data } = socket;
          data.text += data.decoder.decode(bytes, { stream: true });
          if (data.text.length > LONGEST) socket.terminate();
          if (data.isAsked || !data.text.endsWith('\n')) return;
          data.isAsked = true;
          const answering = serve(socket).catch(thrown => {
            log.error('a CNI call', { error: thrown });
            socket.terminate();
          });
          running.add(answering);
          void answering.finally(() => running.delete(answering));
        },
        close: socket => socket.data.gone.abort(),
        error: socket => socket.data.gone.abort(),
      },
    });
    process.umask(mask);
    chmodSync(calls.socket, 0o600);

    async function serve(socket: Bun.Socket<Connection>): Promise<void> {
      const { text, gone } = socket.data;
      log.debug('a CNI call');
      const { line, undo, afterwards } = await calls.answer(text, gone.signal);
      // As the program does where nobody reads its standard output any more.
      if (gone.signal.aborted) return void (await undo?.());
      socket.end(`${line}\n`);
      await afterwards();
    }

    return {
      name: 'the CNI calls',
      async stop() {
        server.stop();
        rmSync(calls.socket, { force: true });
        await Promise.all(running);
      },
    };
  };
