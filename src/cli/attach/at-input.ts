/** This terminal, or what comes by a pipe, as the input of a container's first process. */

import { type Attended, attend, type End, type Shown } from '../../kernel/attend.ts';
import type { ProcessInput } from '../../kernel/backends/index.ts';
import { followSize, terminalHere } from '../cell-process/terminal.ts';
import type { Invocation, Program } from '../command.ts';
import { currentConsole } from '../console/console.ts';
import { isTerminal } from '../output/terminal.ts';
import { watchKeys } from './detach-keys.ts';
import { feed } from './feed.ts';

/** The most that is read at once: a screenful. */
const PIECE = 16 * 1024;

export interface AtInput {
  /** Resolves when the keys to leave it have been typed. */
  left: Promise<void>;
  /** Gives the terminal back; nothing more is read. */
  end(): Promise<void>;
}

export interface InputOptions {
  /** To leave it by; they are heard where each key comes as it is. */
  keys: Uint8Array;
  /** Standard input is passed on. */
  isFed: boolean;
}

/** Its terminal gets the size of ours, and each key comes as it is, if both are there. Rejects with what a terminal of ours throws that has gone. */
export async function atInput(input: ProcessInput, { keys, isFed }: InputOptions, program: Program): Promise<AtInput> {
  const console = currentConsole();
  const here = input.hasTerminal ? terminalHere() : undefined;
  const streams = await console.streams(program);
  if (here !== undefined) await takeSize(input, streams.terminalSize(here));
  if (here !== undefined) followSize(streams, here, input);
  const { promise: left, resolve, reject } = Promise.withResolvers<void>();
  left.catch(() => {}); // it need not be waited for
  if (!isFed || input.stdin === undefined) return { left, end: async () => {} };
  const isTyped = input.hasTerminal && isTerminal(0);
  const { readPiece, writeBytes } = await program.pipes();
  const descriptors = await console.descriptors(true, program);
  const over = new AbortController();
  const restore = isTyped ? streams.rawTerminal(0) : undefined;
  feed({
    read: () => readPiece(descriptors.stdin, PIECE, over.signal),
    write: async bytes => input.stdin !== undefined && (await writeBytes(input.stdin, bytes)),
    keys: watchKeys(isTyped ? keys : new Uint8Array()),
  }).then(async end => {
    if (end === 'left') resolve();
    else if (end === 'ended' && !over.signal.aborted) await input.fed();
  }, reject);
  return {
    left,
    async end() {
      over.abort();
      restore?.();
      await descriptors.close();
    },
  };
}

/** Also one of the same size is told of it: so a program that draws the whole screen draws it anew for who has just come. */
async function takeSize({ resize }: ProcessInput, size: { columns: number; rows: number }): Promise<void> {
  await resize({ ...size, rows: size.rows + 1 });
  await resize(size);
}

/** On standard output. */
export async function shownHere(program: Program): Promise<Shown> {
  const { writeBytes } = await currentConsole().streams(program);
  return { logs: await program.logs(), write: bytes => writeBytes(1, bytes) };
}

/** Until it ends or is left, by the keys or by what would end this command: a terminal that goes away, too. */
export async function attendAtInput(
  place: Attended,
  input: ProcessInput,
  options: InputOptions,
  { program, signal }: Pick<Invocation, 'program' | 'signal'>,
): Promise<End> {
  const at = await atInput(input, options, program);
  const { promise: interrupted, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  if (signal.aborted) resolve();
  // Also where nothing is written any more that could tell.
  currentConsole().readerGone?.(program, signal).then(resolve, resolve);
  try {
    return await attend(place, await shownHere(program), Promise.race([at.left, interrupted]));
  } finally {
    await at.end();
  }
}
