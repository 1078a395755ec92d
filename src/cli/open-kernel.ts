/** The kernel with the plugins that a command needs, and what it runs its plans with. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { auditedJournal } from '../kernel/audited-journal.ts';
import { KukeError } from '../kernel/errors.ts';
import { findExternalPlugins } from '../kernel/external-plugins.ts';
import { type Journal, makeJournal } from '../kernel/journal.ts';
import { didYouMean } from '../kernel/names.ts';
import { type Kernel, loadKernel } from '../kernel/registry.ts';
import type { EngineOptions } from '../kernel/session.ts';
import { auditOf } from './audit.ts';
import type { Invocation } from './command.ts';
import { bound } from './console/console.ts';
import { warn } from './output/failure.ts';
import { makeProgress } from './output/progress.ts';
import { planFlags } from './plan-flags.ts';

const PLUGIN_TIME_LIMIT_MS = 10_000;

export interface OpenOptions {
  /** `backend:images` and the like; absent: all, third parties' plugins included. */
  needs?: string[];
  /** The command only reads: a third party's plugin that fails is a warning. */
  reads?: boolean;
}

/** A command's invocation; its flags may be those of `planArgs`. */
type Opener = Pick<Invocation, 'globals' | 'line' | 'program' | 'signal'> & { args?: object };

export async function openKernel(invocation: Opener, options: OpenOptions = {}): Promise<Kernel> {
  const { globals, program } = invocation;
  const { isDryRun, isExplained } = planFlags(invocation.args);
  const { runPath, containerdSocket, config, scope } = globals;
  const folder = config.pluginsPath ?? join(runPath, '.kuke/plugins');
  if (config.pluginsPath !== undefined && !existsSync(config.pluginsPath)) {
    warn(`configuration: pluginsPath: ${config.pluginsPath} is not there`);
  }
  const broken = (error: KukeError): void => {
    if (!options.reads) throw error;
    warn(error.summary);
  };
  const timeLimitMs = config.pluginTimeLimit ?? PLUGIN_TIME_LIMIT_MS;
  const { sdk, changeableByOthers } = program;
  const external = options.needs
    ? []
    : await findExternalPlugins({ folder, sdk, changeableByOthers, timeLimitMs, broken });
  const sources = [...(await program.builtins()), ...external];
  for (const name of Object.keys(config.plugins ?? {})) {
    const known = sources.map(source => source.name);
    if (!options.needs && !known.includes(name))
      warn(`configuration: plugins.${name}: there is no such plugin${didYouMean(name, known)}`);
  }
  const kernel = await loadKernel({
    settings: { runPath, containerdSocket, scope, ...(program.isDaemon && { isSupervised: true }) },
    pluginConfig: config.plugins ?? {},
    sources,
    ...(options.needs && { needs: options.needs }),
    lenient: options.reads ?? false,
    isDryRun,
    timeLimitMs,
    warn: bound(warn),
  });
  if (isExplained && !isDryRun) (await import('./output/explain.ts')).explainAsItRuns(kernel, invocation.line);
  return kernel;
}

export function openJournal(invocation: Opener): Journal {
  return auditedJournal(makeJournal(join(invocation.globals.runPath, '.kuke/journal')), auditOf(invocation));
}

/** Runs what changes the host: with progress for a terminal, the lock's time limit, and Ctrl-C. */
export async function withEngine<T>(invocation: Opener, run: (options: EngineOptions) => Promise<T>): Promise<T> {
  const progress = makeProgress(invocation.globals.quiet);
  const work = () =>
    run({
      command: invocation.line,
      actor: auditOf(invocation).actor,
      lockTimeoutMs: invocation.globals.lockTimeoutMs,
      signal: invocation.signal,
      progress: progress.show,
      notice: progress.notice,
    });
  try {
    return await (planFlags(invocation.args).isDryRun ? work() : auditOf(invocation).of(work));
  } finally {
    progress.end();
  }
}

/** Changing the host takes root: network namespaces, cgroups and containerd's socket are root's. */
export function requireRoot({ args }: { args?: object } = {}): void {
  if (planFlags(args).isDryRun) return;
  if (process.getuid?.() !== 0) throw new KukeError('NotRoot', 'this changes the host, and you are not root');
}
