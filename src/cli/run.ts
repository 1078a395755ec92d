import { apply, isOfFailure } from '../kernel/apply.ts';
import { KukeError } from '../kernel/errors.ts';
import type { Resource } from '../kernel/kinds.ts';
import { scopeField } from '../kernel/kinds.ts';
import { readManifest } from '../kernel/manifest.ts';
import { readTree } from '../kernel/observe.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../kernel/planning.ts';
import type { Kernel } from '../kernel/registry.ts';
import { remove } from '../kernel/remove.ts';
import { describe, nameOf } from '../kernel/resource.ts';
import type { ResourceTree } from '../kernel/tree.ts';
import { DETACH_KEYS, parseDetachKeys } from './attach/detach-keys.ts';
import { tellLeft } from './attach/leaving.ts';
import { cellRef, containersIn, pick, runtimeId, scopeFlags } from './cell-process/containers.ts';
import { requireTyping } from './cell-process/terminal.ts';
import { command, type Invocation } from './command.ts';
import { placesOf } from './daemon/own-service.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printFailure, warn } from './output/failure.ts';
import { printPlanned } from './output/plan.ts';
import { print } from './output/standard-output.ts';
import { tell } from './output/terminal.ts';
import { planArgs } from './plan-flags.ts';
import { attached, logBefore, removeLog } from './run/attached.ts';
import { cellNameFor } from './run/cell-name.ts';
import { inFlags, oneContainer } from './run/one-container.ts';
import { checked, scopeArgs } from './scope.ts';
import { applyOptions, strictArg } from './strict.ts';

/** As docker and shells have it of a program that is not there. */
const NOT_FOUND = 127;

const runArgs = {
  image: { type: 'positional', required: true, description: 'image; pulled if it is not there' },
  command: { type: 'positional', required: false, description: 'in place of the image’s CMD, after --' },
  name: { type: 'string', valueHint: 'NAME', description: 'of the cell (one that is made up)' },
  env: { type: 'string', alias: 'e', valueHint: 'KEY=VALUE', description: 'environment; several times' },
  volume: {
    type: 'string',
    alias: 'v',
    valueHint: 'SRC:DST[:ro]',
    description: 'file or folder of the host; several times',
  },
  publish: { type: 'string', alias: 'p', valueHint: '[IP:]HOST:CONT', description: 'port of the host; several times' },
  workdir: { type: 'string', alias: 'w', valueHint: 'DIR', description: 'folder to run it in (the image’s)' },
  user: { type: 'string', alias: 'u', valueHint: 'USER[:GROUP]', description: 'name or number (the image’s)' },
  rm: {
    type: 'boolean',
    description: 'delete the cell and its log once it has ended; with -d kukeond does so',
  },
  detach: { type: 'boolean', alias: 'd', description: 'print the cell’s name, and leave it running' },
  interactive: { type: 'boolean', alias: 'i', description: 'pass standard input on' },
  tty: { type: 'boolean', alias: 't', description: 'give it a terminal' },
  'detach-keys': {
    type: 'string',
    valueHint: 'KEYS',
    description: `leave it running by these, with -it (${DETACH_KEYS})`,
  },
  ...scopeArgs,
  ...strictArg,
  ...planArgs,
} as const;

export default command({
  summary: 'run an image in a cell of its own, until it ends',
  examples: [
    ['run --rm alpine -- echo hello', 'and leave nothing; the exit code is that of the command'],
    ['run -it --rm alpine -- sh', 'a shell; ctrl-p ctrl-q leaves it running, `kuke attach` comes back'],
    ['run -d --name web -p 8080:80 nginx', 'a server, in the background'],
    ['run -v ./site:/srv:ro -e DEBUG=1 site', 'with a folder of the host, and a variable'],
  ],
  args: runArgs,
  repeatable: ['env', 'volume', 'publish', 'command'],
  async run(invocation) {
    const { args } = invocation;
    await refuseMisuse(invocation);
    const keys = parseDetachKeys(args['detach-keys'] ?? DETACH_KEYS);
    const kernel = await openKernel(invocation);
    const cell = await readManifest(kernel, manifestFor(kernel, invocation)).catch(thrown => {
      throw inFlags(thrown);
    });
    requireRoot(invocation);
    await kernel.instance();
    const tree = await readTree(kernel);
    const found = await containersIn(kernel, tree, cell);
    const container = pick(found, undefined);
    const log = await logBefore(container, invocation.program);
    const outcomes = await withEngine(invocation, options =>
      apply(kernel, openJournal(invocation), unlessThere(cell, args), options, applyOptions(args)),
    );
    if (kernel.dryRun !== undefined) return printPlanned(invocation, kernel, outcomes);
    const [outcome] = outcomes;
    if (outcome?.error !== undefined) {
      printFailure(outcome.error);
      return outcome.error.code === 'CommandNotFound' ? NOT_FOUND : outcome.error.exitCode;
    }
    for (const note of outcome?.notes ?? []) if (args.detach || !isOfFailure(note)) warn(note);
    const name = nameOf(cell.ref);
    if (args.detach) {
      print(name);
      return 0;
    }
    if (args.name === undefined && !invocation.globals.quiet) tell(`in cell ${name}`);
    const place = { ...container, ...log, runtime: await kernel.use('runtime'), id: runtimeId(found, container) };
    const input = args.interactive || args.tty ? { keys, isFed: args.interactive === true } : undefined;
    try {
      const code = await attached(place, cell.ref, invocation, input);
      if (code === undefined) {
        tellLeft(name, args);
        if (args.rm) tell(await whoDeletes(invocation));
        return 0;
      }
      if (!args.rm) return code;
      return (await removed(kernel, cell, invocation, () => removeLog(container, log))) || code;
    } catch (thrown) {
      if (args.rm) await removed(kernel, cell, invocation, () => removeLog(container, log));
      throw thrown;
    }
  },
});

async function refuseMisuse(invocation: Invocation<typeof runArgs>): Promise<void> {
  const { interactive, tty, rm, detach } = invocation.args;
  if (interactive && tty && !detach) requireTyping('run -i');
  if (rm && detach && !(await hasDaemon(invocation))) {
    const remedy = 'leave out one of them, or start kukeond: `sudo kuke daemon start`';
    throw new KukeError('Usage', '--rm and -d: nobody waits for its end', { remedy });
  }
}

async function whoDeletes(invocation: Invocation<typeof runArgs>): Promise<string> {
  const isNow = await hasDaemon(invocation);
  return `kukeond deletes it when it has ended${isNow ? '' : ', once it runs: `sudo kuke daemon start`'}`;
}

/** It deletes what has ended and nobody waits for. */
async function hasDaemon(invocation: Invocation<typeof runArgs>): Promise<boolean> {
  return (await invocation.program.daemon()).runningDaemon(placesOf(invocation)) !== undefined;
}

function manifestFor(kernel: Kernel, { args, lists }: Invocation<typeof runArgs>) {
  const name = args.name === undefined ? cellNameFor(args.image) : checked('--name', args.name);
  const ref = cellRef(kernel, name, args);
  const above = kernel.kinds.above('Cell').map((parent, index) => [scopeField(parent.kind), ref.path[index] ?? '']);
  return oneContainer(ref, Object.fromEntries(above), {
    image: args.image,
    command: lists.command ?? [],
    env: lists.env ?? [],
    volume: lists.volume ?? [],
    publish: lists.publish ?? [],
    workdir: args.workdir,
    user: args.user,
    ...inputOf(args),
    autoDelete: args.rm,
  });
}

/** Without a terminal, the end of ours is the end of its. */
function inputOf({ interactive, tty, detach }: Invocation<typeof runArgs>['args']) {
  return { tty, stdin: interactive, stdinOnce: interactive && !tty && !detach };
}

/** A run is always of a new cell. */
const unlessThere =
  (cell: Resource, flags: Record<string, unknown>) =>
  (tree: ResourceTree): Resource[] => {
    const there = tree.find(cell.ref);
    if (there === undefined) return [cell];
    const name = nameOf(there.ref);
    throw new KukeError('Conflict', 'there is a cell of that name already', {
      resource: describe(there.ref),
      remedy: `give another --name, or delete it: \`kuke delete cell ${name} --cascade${scopeFlags(flags)}\``,
    });
  };

/** Also after Ctrl-C. Returns the exit code of what could not be deleted. */
async function removed(kernel: Kernel, cell: Resource, invocation: Invocation<typeof runArgs>, also: () => void) {
  const anyway = { ...invocation, signal: new AbortController().signal };
  const removal = { cascade: true, stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS };
  const outcomes = await withEngine(anyway, options =>
    remove(kernel, openJournal(invocation), [cell.ref], removal, options),
  );
  const failed = outcomes.find(({ error }) => error !== undefined)?.error;
  if (failed !== undefined) printFailure(failed);
  else also();
  return failed?.exitCode ?? 0;
}
