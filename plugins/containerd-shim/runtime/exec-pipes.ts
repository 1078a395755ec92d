/** The FIFOs between us and the shim, and what flows through them. */
import { join } from 'node:path';
import type { ExecParams } from 'kuke/plugin';
import { type FlowEnd, type FlowOptions, flow, flowPoint } from '../../../src/host/byte-flow.ts';
import { fifoToRead, fifoToWrite, type WriteEnd } from '../../../src/host/fifo.ts';

/**
 * When the process has ended, and its pipes have not, something in the background has them. What was there by then is at hand: it needs no
 * longer than that to be waited for, and is no more than the pipe, the shim and the FIFO hold.
 */
const LAST_WORDS = { patienceMs: 300, most: 4 << 20 };

export interface ExecPipes extends Disposable {
  paths: { stdin?: string; stdout: string; stderr?: string };
  /**
   * Copies until all has been written that was there to be written when `ended` was aborted. False: something in the background still has
   * the pipes. `unheard`: nobody reads our output any more; what comes is dropped from then on. Throws SystemError where it cannot be written.
   */
  copy(ended: AbortSignal, hooks: { unheard(): Promise<void>; closeStdin(): Promise<unknown> }): Promise<boolean>;
}

type Streams = Pick<ExecParams, 'stdin' | 'stdout' | 'stderr' | 'terminal'>;

/** In a folder of their own. With a terminal there is no stderr. */
export function makeExecPipes(folder: string, { stdin, stdout, stderr, terminal }: Streams): ExecPipes {
  const path = (name: string) => join(folder, name);
  const input = stdin === undefined ? undefined : fifoToWrite(path('stdin'));
  const outputs = [
    { fifo: fifoToRead(path('stdout')), fd: stdout, discards: false },
    ...(terminal ? [] : [{ fifo: fifoToRead(path('stderr')), fd: stderr, discards: false }]),
  ];
  type Output = (typeof outputs)[number];
  const once = async (output: Output, options: FlowOptions): Promise<FlowEnd> => {
    using to = flowPoint(output.fd, 'write');
    return await flow(output.fifo.joined(), to, { ...options, discards: output.discards });
  };
  const copyOut = async (output: Output, options: FlowOptions, unheard: () => Promise<void>): Promise<FlowEnd> => {
    const end = await once(output, options);
    if (end !== 'unread') return end;
    output.discards = true;
    await unheard();
    return await once(output, options);
  };
  return {
    paths: {
      stdout: path('stdout'),
      ...(input !== undefined && { stdin: path('stdin') }),
      ...(!terminal && { stderr: path('stderr') }),
    },
    async copy(ended, { unheard, closeStdin }) {
      const fed = input && stdin !== undefined ? feed(stdin, input, ended, closeStdin) : undefined;
      const heard = outputs.map(async output => {
        const end = await copyOut(output, { until: ended }, unheard);
        if (end !== 'stopped' || output.discards) return end;
        return await copyOut(output, LAST_WORDS, unheard);
      });
      const [ends] = await Promise.all([Promise.all(heard), fed]);
      return ends.every(end => end === 'ended');
    },
    [Symbol.dispose]() {
      for (const fifo of [input, ...outputs.map(one => one.fifo)]) fifo?.[Symbol.dispose]();
    },
  };
}

/** The end of our input is the end of its. */
async function feed(
  stdin: number,
  fifo: WriteEnd,
  ended: AbortSignal,
  closeStdin: () => Promise<unknown>,
): Promise<void> {
  using from = flowPoint(stdin, 'read');
  const to = await fifo.joined(ended);
  if (to === undefined) return;
  const end = await flow(from, to, { cut: ended });
  fifo[Symbol.dispose]();
  if (end === 'ended') await closeStdin();
}
