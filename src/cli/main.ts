/** kuke, the command line: finds the command, reads its flags, runs it, and turns its end into an exit code. */
import { asKukeError, KukeError } from '../kernel/errors.ts';
import { traced } from '../kernel/trace.ts';
import { enumFault, findCommand, parseLine } from './arguments.ts';
import type { Command, CommandEntry, Program } from './command.ts';
import { commands } from './commands.ts';
import { currentConsole } from './console/console.ts';
import { readGlobals } from './global-flags.ts';
import { endOutput } from './output/standard-output.ts';
import { toldLine } from './told-line.ts';

export async function main(argv: string[], program: Program): Promise<number> {
  const status = await outcome(argv, program);
  const fault = await endOutput();
  if (fault === undefined) return status;
  const { tellError } = await import('./output/failure.ts');
  tellError(`standard output: ${fault}`);
  return status || 1;
}

async function outcome(argv: string[], program: Program): Promise<number> {
  try {
    const { KUKE_TRACE } = currentConsole().env;
    if (KUKE_TRACE) await (await import('./trace-file.ts')).traceTo(KUKE_TRACE, program);
    return await run(argv, program);
  } catch (thrown) {
    const { printFailure } = await import('./output/failure.ts');
    const error = thrown instanceof KukeError ? thrown : asKukeError(thrown, 'Internal');
    printFailure(error);
    return error.exitCode;
  }
}

async function run(argv: string[], program: Program): Promise<number> {
  if (argv[0] === '__complete') {
    return (await import('./completion/complete-line.ts')).completeLine(argv.slice(1), program);
  }
  const { words, entry, rest } = findCommand(argv, commands);
  if (entry === undefined && rest.includes('--version')) {
    return run(['version', ...rest.filter(flag => flag !== '--version')], program);
  }
  if (entry === undefined || 'below' in entry)
    return listCommands(words, entry ?? { summary: '', below: commands }, rest);
  const command = (await entry.load()).default;
  const { values, lists, globals, given } = parseLine(command, words, rest);
  if (globals.help) return help(words, entry);
  // Taken out of the line by who hands it over.
  if (globals.host !== undefined)
    throw new KukeError('Usage', '--host: this process runs it itself', { remedy: 'leave it out' });
  const settings = await readGlobals(globals, currentConsole().env, program);
  if (settings.colour !== 'auto') (await import('./output/terminal.ts')).setColours(settings.colour);
  const { output } = command.args;
  if (settings.output !== undefined && output?.type === 'enum' && !given.has('output')) {
    if (enumFault(output, settings.output) === undefined) values.output = settings.output;
  }
  if (settings.verbose) (await import('./output/log.ts')).beVerbose();
  const line = toldLine(argv, words);
  const { signal, over } = untilInterrupted();
  // The values were read by the command's own definition of them.
  const args = values as Parameters<Command['run']>[0]['args'];
  const work = () => command.run({ args, lists, globals: settings, program, line, signal });
  try {
    return (await traced('command', ['kuke', ...words].join(' '), work)) ?? 0;
  } catch (thrown) {
    throw await withAdvice(words, thrown);
  } finally {
    over();
  }
}

/** What has no advice of its own: where it was typed wrong, whose help to look at; where it takes root, who else may do it. */
async function withAdvice(words: readonly string[], thrown: unknown): Promise<unknown> {
  if (!(thrown instanceof KukeError) || thrown.details.remedy !== undefined) return thrown;
  let remedy: string | undefined;
  if (thrown.code === 'Usage') remedy = `see \`${['kuke', ...words].join(' ')} --help\``;
  if (thrown.code === 'NotRoot') remedy = (await import('./serving-group.ts')).groupRemedy(words[0]);
  if (remedy === undefined) return thrown;
  return new KukeError(thrown.code, thrown.message, { ...thrown.details, remedy }, thrown.also);
}

async function help(words: string[], entry: CommandEntry): Promise<number> {
  await (await import('./help.ts')).printHelp(words, entry);
  return 0;
}

/** `kuke` and `kuke image` alone show what there is; with --help that is what was asked for. */
async function listCommands(words: string[], entry: CommandEntry, rest: string[]): Promise<number> {
  if (rest.some(flag => flag === '--help' || flag === '-h') || rest.length === 0) await help(words, entry);
  else throw new KukeError('Usage', `a command is missing after \`${['kuke', ...words].join(' ')}\``);
  return words.length === 0 || rest.length > 0 ? 0 : 2;
}

/**
 * The first Ctrl-C, SIGTERM or SIGHUP ends what runs in good order (a create is undone); a second Ctrl-C or SIGTERM ends kuke. A second SIGHUP
 * is nobody's wish: a terminal that goes away sends it itself, and so do its shell and the kernel when the shell ends.
 */
function untilInterrupted(): { signal: AbortSignal; over(): void } {
  const console = currentConsole();
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    if (!controller.signal.aborted) controller.abort(new KukeError('Cancelled', `cancelled by ${signal}`));
    else if (signal !== 'SIGHUP') console.exit(signal === 'SIGINT' ? 130 : 143);
  };
  console.on('SIGINT', stop);
  console.on('SIGTERM', stop);
  console.on('SIGHUP', stop); // the end of an ssh session, say
  // What a command has watched ends with its process, and in kukeond with this.
  const over = (): void => {
    if (console.peer !== undefined) controller.abort(new KukeError('Cancelled', 'the command has ended'));
  };
  return { signal: controller.signal, over };
}
