/** One call of the program by a runtime: standard input, standard output, and the signals that may come meanwhile. */
import { lastErrno, libc, systemError } from '../../host/libc.ts';
import { letGoOfProgram } from '../../host/program-pages.ts';
import { isReadable } from '../../host/readable.ts';
import { answer, type Environment, misunderstood } from './answer.ts';
import { handOver, mayHandOver } from './hand-over.ts';
import { PluginError } from './plugin-error.ts';
import { append, type Input, readInput } from './standard-input.ts';

const STDIN = 0;
const STDOUT = 1;
const POLLOUT = 4;
const EINTR = 4;
const EAGAIN = 11;

/** Serves a verb, and returns the exit status. An ADD whose result does not arrive is taken back. */
export async function executed(env: Environment, called: string): Promise<number> {
  const read: Input = { text: '', decoder: new TextDecoder() };
  // A signal ends us before we listen to it; the daemon then takes back what it has made.
  const handed = mayHandOver(env) && readAtHand(read) ? handOver(env, called, read.text) : undefined;
  // Starting takes most of what is mapped, and the work itself is to take its place, not to come on top of it.
  if (handed === undefined) letGoOfProgram();
  const signal = untilSignalled();
  const { status, text, undo } = handed
    ? { ...handed, undo: () => answer({ env: { ...env, CNI_COMMAND: 'DEL' }, called, stdin: read.text }) }
    : await input(read, signal).then(
        stdin => answer({ env, called, stdin, signal }),
        (error: unknown) => misunderstood(error, { env, called }),
      );
  try {
    if (text !== '') writeOutput(text);
    return status;
  } catch (error) {
    if (env.CNI_COMMAND === 'ADD') await undo?.().catch(() => {}); // the runtime, which knows of nothing that was made, does a DEL of its own
    console.error(`kuke: the answer cannot be written: ${error instanceof Error ? error.message : error}`);
    return status || 1;
  }
}

/** Standard input. Mostly all of it is there already, so that nothing has to be waited for. */
async function input(read: Input, signal: AbortSignal): Promise<string> {
  return read.isWhole || readAtHand(read) ? read.text : await readInput(signal, read);
}

/** Whether that was all. What cannot be read so is left to those who wait for it, an error as well. */
function readAtHand(read: Input): boolean {
  const piece = new Uint8Array(16 << 10);
  while (isReadable(STDIN)) {
    const size = Number(libc().read(STDIN, piece, piece.length));
    if (size < 0 || !append(read, piece.subarray(0, size))) return false;
    if (size === 0) {
      read.isWhole = true;
      return true;
    }
  }
  return false;
}

/** Aborted by what asks a program to end: an ADD is then taken back. */
function untilSignalled(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => {
      controller.abort(new PluginError('TryAgainLater', `it was called off by ${name}`));
    });
  }
  return controller.signal;
}

/** Writes a line. SystemError: EPIPE if nobody reads any more, ENOSPC, ... Not console.log, which does not tell; process.stdout is slow. */
function writeOutput(text: string): void {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let offset = 0; offset < bytes.length; ) {
    const written = Number(libc().write(STDOUT, bytes.subarray(offset), bytes.length - offset));
    if (written >= 0) offset += written;
    else awaitRoom(lastErrno());
  }
}

/** Returns if the write is to be tried again: a pipe may have been made non-blocking by a process that shares it. */
function awaitRoom(errno: number): void {
  if (errno !== EINTR && errno !== EAGAIN) throw systemError('write', errno, 'to standard output');
  if (errno === EAGAIN) libc().poll(new Int16Array([STDOUT, 0, POLLOUT, 0]), 1, -1);
}
