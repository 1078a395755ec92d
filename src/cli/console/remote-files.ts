/** Files of the client's: asked of it, since a path is its own and so are the rights. */
import type { Mux } from '../../daemon/console/mux.ts';
import { type Receiver, WINDOW } from '../../daemon/console/mux.ts';
import type { ClientMessage, DaemonMessage } from '../../daemon/console/protocol.ts';
import { asFileError } from '../../kernel/file-errors.ts';
import type { Files } from './console.ts';

/** Those below are the descriptors. */
const FIRST_CHANNEL = 3;

type Answer = Exclude<ClientMessage, { type: 'signal' }>;

export interface RemoteFiles extends Files {
  answered(answer: Answer): void;
  /** Nobody answers any more. */
  gone(): void;
}

export function makeRemoteFiles(mux: Mux, say: (message: DaemonMessage) => void): RemoteFiles {
  let last = FIRST_CHANNEL - 1;
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(why: unknown): void }>();
  const answerOn = (channel: number): Promise<Answer> => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    waiting.set(channel, { resolve, reject });
    promise.catch(() => {}); // it may fail before it is awaited
    return promise.finally(() => waiting.delete(channel));
  };
  async function* drained(channel: number, pieces: Receiver): AsyncGenerator<Uint8Array, void> {
    try {
      yield* pieces;
    } finally {
      pieces.fail({ code: 'ECANCELED', message: 'enough has been read' });
      mux.forget(channel);
    }
  }
  /** Resolves to what the client says when all of it is where it belongs. */
  async function send(
    archive: AsyncIterable<Uint8Array>,
    message: (channel: number) => DaemonMessage,
    path: string,
  ): Promise<Answer | undefined> {
    const channel = ++last;
    const to = mux.sender(channel, WINDOW);
    const done = answerOn(channel);
    let answer: Answer | undefined;
    say(message(channel));
    try {
      for await (const piece of archive) {
        to.write(piece.slice());
        if (!(await to.sent())) break;
      }
      to.end();
      answer = (await Promise.race([done, to.broken()])) ?? undefined;
    } catch (thrown) {
      to.fail({ code: 'ECANCELED', message: 'the archive cannot be made' });
      throw thrown;
    } finally {
      mux.forget(channel);
    }
    if (to.fault !== undefined) {
      const error = asFileError(Object.assign(new Error(to.fault.message), to.fault));
      throw error.message.includes(path) ? error : error.at({ step: `write ${path}` });
    }
    return answer;
  }
  return {
    async look(path) {
      const channel = ++last;
      const answer = answerOn(channel);
      say({ type: 'open', channel, how: 'look', path });
      const looked = await answer;
      return looked.type === 'looked' ? looked : { what: null, hasFolder: false };
    },
    async *read(path) {
      const channel = ++last;
      const pieces = mux.receiver(channel);
      say({ type: 'open', channel, how: 'read', path });
      yield* drained(channel, pieces);
    },
    async *pack(path, name) {
      const channel = ++last;
      const pieces = mux.receiver(channel);
      say({ type: 'open', channel, how: 'pack', path, name });
      yield* drained(channel, pieces);
    },
    async unpack(path, isFolder, archive) {
      const unpacked = await send(archive, channel => ({ type: 'open', channel, how: 'unpack', path, isFolder }), path);
      return unpacked?.type === 'unpacked' ? unpacked : { files: 0, bytes: 0 };
    },
    save: async (path, archive) => {
      await send(archive, channel => ({ type: 'open', channel, how: 'write', path }), path);
    },
    answered: answer => waiting.get(answer.channel)?.resolve(answer),
    gone() {
      for (const { reject } of waiting.values()) reject(new Error('the client has gone'));
    },
  };
}
