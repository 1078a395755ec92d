/** The console of a command that runs in kukeond: the client's, over its connection (src/daemon/console). */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ConsoleLink } from '../../daemon/console/consoles.ts';
import { type Receiver, type Sender, WINDOW } from '../../daemon/console/mux.ts';
import type { ClientMessage, ConsoleRequest, Descriptor } from '../../daemon/console/protocol.ts';
import type { PipeEnd, Pipes, Streams } from '../command.ts';
import { type Console, type GivenDescriptors, type Output, tellApart, within } from './console.ts';
import { reason } from './own-standard-output.ts';
import { makeRemoteFiles } from './remote-files.ts';

type Listener = (name: NodeJS.Signals) => void;

/** Of what is told on standard error, in bytes: the rest is lost to who does not read. */
const MOST_UNHEARD = 1 << 20;
/** Of standard output, likewise: more than any command has to say at once. Who goes on for long waits for its reader (`flushOutput`). */
const MOST_UNREAD = 64 << 20;

/** Those that a client tells of without being asked. */
const LETHAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const HEARD: readonly NodeJS.Signals[] = [...LETHAL, 'SIGWINCH'];

export interface RemoteConsole extends Console {
  /** Resolves to the code with which somebody did not want to wait for the end. */
  readonly exited: Promise<number>;
  /** Resolves when what was told on standard error has gone out. */
  toldAll(): Promise<unknown>;
}

/** Commands of one process are told apart from here on. */
export function makeRemoteConsole(request: ConsoleRequest, link: ConsoleLink): RemoteConsole {
  storage ??= new AsyncLocalStorage<Console>();
  tellApart(storage);
  const { mux, say } = link;
  const input = mux.receiver(0);
  const [out, err] = [mux.sender(1, WINDOW), mux.sender(2, WINDOW)];
  const listeners = new Map<string, Set<Listener>>();
  const exit = Promise.withResolvers<number>();
  let { stdio } = request;
  const files = makeRemoteFiles(mux, say);

  const ask = (signal: NodeJS.Signals): Set<Listener> => {
    const some = listeners.get(signal) ?? new Set();
    if (!listeners.has(signal) && !HEARD.includes(signal)) say({ type: 'signals', names: [signal] });
    listeners.set(signal, some);
    return some;
  };
  /** Came before the command listened; in a process of its own it would have ended that. */
  const early = new Set<string>();
  const listen = (signal: NodeJS.Signals, listener: Listener): void => {
    ask(signal).add(listener);
    if (early.delete(signal)) listener(signal);
  };
  const raw = (isOn: boolean): void => say({ type: 'raw', isOn });

  const console: RemoteConsole = {
    env: request.env,
    cwd: () => request.cwd,
    peer: request.peer,
    isTerminal: fd => stdio[fd].terminal,
    size: fd => sizeOf(stdio[fd]),
    output: outputTo(out),
    tell(text) {
      if (err.queued < MOST_UNHEARD) err.write(new TextEncoder().encode(text));
    },
    stdin: () => input,
    keys({ key, ended }) {
      raw(true);
      let isOver = false;
      const listen = async (): Promise<void> => {
        for await (const bytes of input) {
          if (isOver) return;
          key(bytes);
        }
        if (!isOver) ended();
      };
      listen().catch(ended);
      return () => {
        isOver = true;
        raw(false);
      };
    },
    files,
    async readerGone() {
      say({ type: 'listen' });
      await out.broken();
    },
    async streams(program) {
      return { ...(await program.streams()), ...remoteStreams() };
    },
    descriptors: async (isInput, program) =>
      givenDescriptors(await program.pipes(), isInput ? input : undefined, out, err),
    on: listen,
    off: (signal, listener) => void listeners.get(signal)?.delete(listener),
    take(signal, listener) {
      ask(signal).clear();
      listen(signal, listener);
    },
    exit: exit.resolve,
    exited: exit.promise,
    toldAll: () => err.settled(),
    colours: 'auto',
    isVerbose: false,
  };

  function remoteStreams(): Pick<Streams, 'rawTerminal' | 'terminalSize' | 'writeBytes'> {
    return {
      rawTerminal() {
        raw(true);
        return () => raw(false);
      },
      terminalSize: fd => sizeOf(stdio[fd as 0 | 1 | 2]),
      async writeBytes(fd, bytes) {
        const to = fd === 2 ? err : out;
        to.write(bytes.slice());
        return await to.sent();
      },
    };
  }

  link.hear((message: ClientMessage | undefined) => {
    if (message === undefined) {
      files.gone();
      // As a terminal does that is hung up; once nobody is there any more, nobody can ask twice.
      return emit('SIGHUP');
    }
    if (message.type !== 'signal') return files.answered(message);
    stdio = message.stdio ?? stdio;
    emit(message.name as NodeJS.Signals);
  });
  function emit(name: NodeJS.Signals): void {
    const heard = [...(listeners.get(name) ?? [])];
    if (heard.length === 0 && LETHAL.includes(name)) early.add(name);
    for (const listener of heard) within(console, () => listener(name));
  }
  return console;
}

let storage: AsyncLocalStorage<Console> | undefined;

const sizeOf = ({ columns, rows }: Descriptor) => ({ columns: columns || 80, rows: rows || 24 });

function outputTo(out: Sender): Output {
  return {
    write(text) {
      if (out.queued <= MOST_UNREAD) out.write(new TextEncoder().encode(text));
      else out.fail({ code: 'ENOBUFS', message: 'too much of it has not been read' });
    },
    isHeard: () => out.fault === undefined,
    flush: async () => void (await out.settled()),
    async end() {
      await out.settled();
      return out.fault === undefined || out.fault.code === 'EPIPE' ? undefined : reason(out.fault);
    },
  };
}

/** Pipes in place of the client's descriptors, since a process in a container is given descriptors. */
function givenDescriptors(
  { makePipe, readPiece, writeBytes }: Pipes,
  input: Receiver | undefined,
  out: Sender,
  err: Sender,
): GivenDescriptors {
  const pumps: Promise<unknown>[] = [];
  const passOn = (to: Sender): PipeEnd => {
    const { reading, writing } = makePipe();
    const pump = async (): Promise<void> => {
      try {
        for (let piece = await readPiece(reading.fd, WINDOW); piece; piece = await readPiece(reading.fd, WINDOW)) {
          to.write(piece);
          if (!(await to.sent())) return;
        }
      } finally {
        reading.close(); // who writes on is told that nobody listens
      }
    };
    pumps.push(pump());
    return writing;
  };
  const feed = (from: Receiver): PipeEnd[] => {
    const { reading, writing } = makePipe();
    const pump = async (): Promise<void> => {
      try {
        for await (const bytes of from) if (!(await writeBytes(writing.fd, bytes))) return;
      } finally {
        writing.close();
      }
    };
    pump().catch(() => {}); // a client that is gone is the end of its input
    return [reading, writing];
  };
  const ends = [passOn(out), passOn(err), ...(input === undefined ? [] : feed(input))];
  const [stdout = NONE, stderr = NONE, stdin = NONE] = ends;
  return {
    stdin: stdin.fd,
    stdout: stdout.fd,
    stderr: stderr.fd,
    async close() {
      for (const end of ends) end.close();
      await Promise.allSettled(pumps);
    },
  };
}

const NONE: PipeEnd = { fd: -1, close() {} };
