/**
 * The client's side of a console: hands its command line over to a daemon, and is its face from then on. It imports next to nothing: what
 * only some commands need (standard input, raw modes, files) when they ask for it.
 */
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { IsNamed } from './client-files.ts';
import { descriptors, isClosedByCaller } from './descriptor.ts';
import { Mux, type Receiver, WINDOW } from './mux.ts';
import { programIdentity } from './program-identity.ts';
import { type ClientMessage, type DaemonMessage, HEAD, isShared, type RunRequest } from './protocol.ts';

/** A connection to a daemon. Before `open` has been called nothing comes from it. */
export interface Line {
  write(bytes: Uint8Array): void;
  close(): void;
  open(events: { received(chunk: Uint8Array): void; closed(): void }): void;
  /** The daemon runs on this very host. */
  isOfThisHost: boolean;
}

export type HandedOver =
  | { code: number }
  /** It is for this process to run; nothing has been done. */
  | { local: string | undefined }
  /** `isBegun`: it may have been done in part. */
  | { lost: string; isBegun: boolean };

/** `named`: which files the command line names; asked for where the daemon wants one. */
export async function handOver(
  line: Line,
  argv: readonly string[],
  named: () => Promise<IsNamed>,
): Promise<HandedOver> {
  const over = Promise.withResolvers<HandedOver>();
  let isUpgraded = false;
  const mux = new Mux(line, {
    message: value => hear(value as DaemonMessage),
    closed: reason => over.resolve({ lost: reason, isBegun: isUpgraded }),
  });
  const modes = terminalModes();
  const signals = passSignals(mux);

  const say = (message: ClientMessage): void => mux.message(message);
  function hear(message: DaemonMessage): void {
    switch (message.type) {
      case 'exit':
        // The daemon says so when it knows that all is written.
        over.resolve({ code: message.code });
        break;
      case 'local':
        over.resolve({ local: message.why });
        break;
      case 'raw':
        modes.set(message.isOn);
        break;
      case 'listen':
        void import('../../host/readable.ts').then(async ({ hungUp }) => {
          await hungUp(1, new AbortController().signal);
          output.fail(NOBODY);
        });
        break;
      case 'signals':
        for (const name of message.names) signals.pass(name);
        break;
      case 'open':
        open(message);
        break;
    }
  }

  /** Its channel is there from now on: what is said on it may come before what deals with it is loaded. */
  function open(message: Extract<DaemonMessage, { type: 'open' }>): void {
    const { channel, how } = message;
    const to = (how === 'read' || how === 'pack') && mux.sender(channel);
    const from = (how === 'write' || how === 'unpack') && mux.receiver(channel, WINDOW);
    void Promise.all([import('./client-files.ts'), named()]).then(async ([files, isNamed]) => {
      if (to) await files.sendFile(message, to, isNamed);
      else if (from) await files.takeFiles(message, from, isNamed, say);
      else files.tellOf(message, isNamed, say);
      mux.forget(channel);
    });
  }

  const output = mux.receiver(1, WINDOW);
  void writeOut(1, output);
  void writeOut(2, mux.receiver(2, WINDOW));
  const input = mux.sender(0);
  void input.wanted().then(async isWanted => {
    if (isWanted) await (await import('./client-input.ts')).passInput(input);
  });
  line.open({ received: head(mux, line, () => (isUpgraded = true), over.resolve), closed: () => mux.close('closed') });
  line.write(new TextEncoder().encode(HEAD));
  mux.message(requestOf(argv, line.isOfThisHost));
  try {
    return await over.promise;
  } finally {
    await modes.restore();
    signals.stop();
  }
}

function requestOf(argv: readonly string[], isOfThisHost: boolean): RunRequest {
  const env = Object.entries(process.env).flatMap(([name, value]) =>
    isShared(name) && value !== undefined ? [[name, value]] : [],
  );
  const request: RunRequest = {
    type: 'run',
    argv: [...argv],
    env: Object.fromEntries(env),
    cwd: process.cwd(),
    stdio: descriptors(),
  };
  return isOfThisHost ? { ...request, program: programIdentity() } : request;
}

/** What comes until the answer's head is over is HTTP. */
function head(mux: Mux, line: Line, upgraded: () => void, end: (how: HandedOver) => void): (chunk: Uint8Array) => void {
  let before = '';
  let isOver = false;
  return chunk => {
    if (isOver) return mux.received(chunk);
    const text = before + Buffer.from(chunk).toString('latin1');
    const at = text.indexOf('\r\n\r\n');
    if (at < 0 && text.length < 16_384) {
      before = text;
      return;
    }
    isOver = true;
    if (!text.startsWith('HTTP/1.1 101 ')) {
      line.close();
      return end({ local: undefined });
    }
    upgraded();
    const rest = Buffer.from(text.slice(at + 4), 'latin1');
    if (rest.length > 0) mux.received(rest);
  };
}

const NOBODY = { code: 'EPIPE', message: 'nobody reads it' };

/** So much goes out at once: what a pipe holds. More may have to wait for its reader, and signals are heard meanwhile. */
const AT_ONCE = 32 * 1024;

async function writeOut(fd: 1 | 2, from: Receiver): Promise<void> {
  let written = 0;
  let isWriting = false;
  const fail = (thrown: unknown): void => {
    const { code, message } = thrown as { code?: string; message: string };
    from.fail({ code: code ?? 'EIO', message });
  };
  from.atOnce = bytes => {
    if (isWriting || written + bytes.length > AT_ONCE) return bytes;
    try {
      refuseClosed(fd);
      const rest = writtenAtOnce(fd, bytes);
      written += bytes.length - rest.length;
      return rest;
    } catch (thrown) {
      fail(thrown);
      return new Uint8Array();
    }
  };
  try {
    for (let bytes = await from.next(); bytes !== undefined; bytes = await from.next()) {
      isWriting = true;
      refuseClosed(fd);
      const { writeBytes } = await import('../../host/byte-flow.ts');
      if (!(await writeBytes(fd, bytes))) throw NOBODY;
      isWriting = false;
      from.done(bytes.length);
    }
  } catch (thrown) {
    fail(thrown);
  }
}

function refuseClosed(fd: 1 | 2): void {
  if (isClosedByCaller(fd)) throw Object.assign(new Error('EBADF: bad file descriptor, write'), { code: 'EBADF' });
}

/** What a pipe that does not block has no room for. */
function writtenAtOnce(fd: number, bytes: Uint8Array): Uint8Array {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest));
  } catch (thrown) {
    if ((thrown as { code?: string }).code !== 'EAGAIN') throw thrown;
  }
  return rest;
}

function terminalModes() {
  let putBack: (() => void) | undefined;
  let turn: Promise<void> = Promise.resolve();
  const restore = (): void => {
    putBack?.();
    putBack = undefined;
  };
  const raw = async (): Promise<void> => {
    const { rawTerminal } = await import('../../host/terminal-mode.ts');
    if (putBack === undefined) process.once('exit', restore);
    putBack ??= rawTerminal(0);
  };
  return {
    set(isOn: boolean) {
      // What is told next, in the same bytes perhaps, is for a terminal that is as it was.
      if (!isOn && putBack !== undefined) restore();
      else turn = turn.then(isOn ? raw : restore).catch(() => {});
    },
    async restore() {
      await turn;
      restore();
    },
  };
}

const LETHAL = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Who is not heard by the daemon ends this process by the third. */
const PATIENCE = 3;

function passSignals(mux: Mux) {
  const passed: [NodeJS.Signals, () => void][] = [];
  let lethal = 0;
  const pass = (name: NodeJS.Signals): void => {
    const listener = (): void => {
      if (name === 'SIGINT' || name === 'SIGTERM') lethal++;
      mux.message({ type: 'signal', name, ...(name === 'SIGWINCH' && { stdio: descriptors() }) });
      if (lethal > PATIENCE) process.exit(name === 'SIGINT' ? 130 : 143);
    };
    process.on(name, listener);
    passed.push([name, listener]);
  };
  for (const name of LETHAL) pass(name);
  if ([0, 1, 2].some(fd => isatty(fd))) pass('SIGWINCH');
  return {
    pass,
    stop() {
      for (const [name, listener] of passed) process.off(name, listener);
    },
  };
}
