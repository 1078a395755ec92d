/** `KUKE_TRACE=FILE`: what the command does goes into that file when it ends, however it does, save by SIGKILL. */
import { fstatSync, writeSync } from 'node:fs';
import { chromeTrace } from '../kernel/chrome-trace.ts';
import { asKukeError, KukeError } from '../kernel/errors.ts';
import { listenToTrace } from '../kernel/trace.ts';
import type { Program } from './command.ts';
import { warn } from './output/failure.ts';

/** Throws Usage for a file that cannot be written, or that others could have put there: nothing has been done by then. */
export async function traceTo(path: string, program: Program): Promise<void> {
  const fd = opened(path, await program.openLogFile());
  const trace = chromeTrace(process.pid);
  trace.started('start');
  const stop = listenToTrace(trace.listener);
  process.on('exit', () => {
    stop();
    try {
      writeSync(fd, trace.end(fstatSync(fd).size === 0));
    } catch (thrown) {
      warn(`KUKE_TRACE: ${path}: ${asKukeError(thrown).message}`); // what was asked for is done all the same
    }
  });
}

function opened(path: string, open: (path: string) => number): number {
  try {
    return open(path);
  } catch (thrown) {
    const { message } = asKukeError(thrown);
    const remedy = 'name a file in a folder that nobody else can write to, by its absolute path';
    throw new KukeError('Usage', `KUKE_TRACE: ${message}`, { remedy, cause: thrown });
  }
}
