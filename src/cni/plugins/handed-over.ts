/** The daemon's side of a call that was handed over (hand-over.ts). */
import { answer } from './answer.ts';
import { CNI_SOCKET, type HandedCall, viewOfHost } from './hand-over.ts';
import { PluginError } from './plugin-error.ts';

interface HandedAnswer {
  line: string;
  undo?: () => Promise<unknown>;
  afterwards: () => Promise<unknown>;
}

export const cniCalls = {
  socket: CNI_SOCKET,
  greeting: viewOfHost,
  /** Only root gets here: it says what is to be done, as it does to the program. */
  async answer(line: string, gone: AbortSignal): Promise<HandedAnswer> {
    const { env, called, stdin } = JSON.parse(line) as HandedCall;
    const calledOff = new AbortController();
    gone.addEventListener('abort', () => calledOff.abort(new PluginError('TryAgainLater', 'it was called off')));
    const later: (() => Promise<void>)[] = [];
    const afterwards = (work: () => Promise<void>) => void later.push(work);
    const { status, text, undo } = await answer({ env, called, stdin, signal: calledOff.signal, afterwards });
    return {
      line: JSON.stringify({ status, text }),
      ...(undo && status === 0 && { undo }),
      afterwards: () => Promise.all(later.map(work => work())),
    };
  },
};
