/** Asks the person at the terminal, on stderr: standard output may be a file. */
import { KukeError } from '../../kernel/errors.ts';
import { currentConsole } from '../console/console.ts';
import { isTerminal, tell, tellPart } from './terminal.ts';

/** Whether the answer is yes; nothing at all is no. Throws Usage where there is nobody to ask, and the signal's reason when that aborts. */
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  if (!isTerminal(0) || !isTerminal(2)) throw new KukeError('Usage', 'nobody to ask', { remedy: 'say --yes' });
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  tellPart(`${question} [y/N] `);
  try {
    // A terminal gives a line at a time, or the end of the file.
    const { value } = await Promise.race([currentConsole().stdin()[Symbol.asyncIterator]().next(), aborted]);
    if (value === undefined) tell('');
    return /^\s*y(es)?\s*$/i.test(new TextDecoder().decode(value));
  } catch (thrown) {
    tell('');
    throw thrown;
  }
}
