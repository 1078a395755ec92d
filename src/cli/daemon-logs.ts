import { spawn } from 'node:child_process';
import { KukeError } from '../kernel/errors.ts';
import { follow as followed } from '../kernel/logs/follow.ts';
import { readerOf } from '../kernel/logs/log-reader.ts';
import { command } from './command.ts';
import { placesOf } from './daemon/own-service.ts';
import { write } from './output/standard-output.ts';

export default command({
  summary: 'show what kukeond has said: a JSON object a line',
  examples: [
    ['daemon logs', 'the last 100 lines'],
    ['daemon logs -f --tail 0', 'what it says from now on'],
  ],
  args: {
    follow: { type: 'boolean', alias: 'f', description: 'go on with what it says, until Ctrl-C' },
    tail: { type: 'string', valueHint: 'LINES', default: '100', description: 'only the last so many lines' },
  },
  async run(invocation) {
    const { args, program, signal } = invocation;
    if (!/^\d{1,9}$/.test(args.tail)) throw new KukeError('Usage', `--tail: \`${args.tail}\` is not a number of lines`);
    const places = placesOf(invocation);
    if ((await program.daemon()).hasUnit(places)) return journal(places.unit, args.tail, args.follow === true, signal);
    const decoder = new TextDecoder();
    using log = readerOf(await program.logs(), places.log, { lines: Number(args.tail) });
    const pull = () =>
      log.pull(async bytes => {
        write(decoder.decode(bytes, { stream: true }));
        return true;
      });
    if (!args.follow) await pull();
    else {
      const ended = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
      await followed([places.log], pull, ended);
    }
    return 0;
  },
});

/** journald keeps it where systemd runs. Ctrl-C reaches it as well. */
async function journal(unit: string, lines: string, follow: boolean, signal: AbortSignal): Promise<number> {
  const args = ['--unit', unit, '--output', 'cat', '--no-pager', '--lines', lines, ...(follow ? ['--follow'] : [])];
  const child = spawn('journalctl', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  signal.addEventListener('abort', () => child.kill(), { once: true });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject).on('exit', code => resolve(code ?? 0));
  return promise;
}
