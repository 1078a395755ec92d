/**
 * The log of what plugins do, a line a step, for who learns or looks for a fault:
 *
 *     2026-11-21T14:03:07.218Z ADD bridge network=lab container=c1 ifname=eth0 netns=/run/netns/c1 took=0.31ms result=ok $ ip link add ...
 *
 * What follows `$` can be typed as it stands. The last line of a verb has no command; its result is the verb's, with the code of an error.
 */
import { closeSync, writeSync } from 'node:fs';
import { openLogFile } from '../../host/log-file.ts';
import type { CallRequest } from './call.ts';
import { levelOf } from './log-level.ts';
import type { PluginError } from './plugin-error.ts';
import type { Trace } from './trace.ts';

export interface Log {
  trace: Trace;
  /** The verb is over. */
  end(error?: PluginError): void;
}

/** What a line says whose it is by; of a call that cannot be understood, as far as it is known. */
export type Subject = Pick<CallRequest, 'plugin' | 'containerId' | 'ifName' | 'netns' | 'config'> & { command: string };

/** A log that cannot be written to is told of on stderr, once, and never fails what it is a log of. */
export function openLog(path: string, request: Subject): Log {
  const level = levelOf(request.config);
  const subject = subjectOf(request);
  const started = performance.now();
  const follows = level === 'debug';
  const fd = attempt(() => openLogFile(path));

  function write(since: number, result: string, command?: string): void {
    if (fd === undefined) return;
    const took = `took=${(performance.now() - since).toFixed(2)}ms`;
    const typed = command === undefined ? '' : ` $ ${onOneLine(command)}`;
    attempt(() => writeSync(fd, `${new Date().toISOString()} ${subject} ${took} result=${result}${typed}\n`));
  }

  function trace<T>(command: string, effect: () => T): T {
    const since = performance.now();
    const failed = (error: unknown) =>
      write(since, word(error instanceof Error ? error.message : String(error)), command);
    try {
      const made = effect();
      if (!(made instanceof Promise)) write(since, 'ok', command);
      else
        made.then(
          () => write(since, 'ok', command),
          (error: unknown) => failed(error),
        );
      return made;
    } catch (error) {
      failed(error);
      throw error;
    }
  }

  return {
    trace: follows ? trace : (_, effect) => effect(),
    end(error) {
      if (error !== undefined) write(started, `${word(error.message)} code=${error.code}`);
      else if (level !== 'error') write(started, 'ok');
      if (fd !== undefined) attempt(() => closeSync(fd));
    },
  };
}

function subjectOf({ command, plugin, containerId, ifName, netns, config }: Subject): string {
  const known = { network: config.name, container: containerId, ifname: ifName, netns };
  const parts = Object.entries(known).flatMap(([key, value]) => (value ? [`${key}=${word(String(value))}`] : []));
  return [word(command), word(plugin), ...parts].join(' ');
}

/** Foreign text must not make lines, nor steer the terminal of who reads them. */
function word(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : JSON.stringify(text).replace(/\p{C}/gu, '\u{fffd}');
}

/** A command of several lines as one that does the same. */
function onOneLine(command: string): string {
  if (!/\p{C}/u.test(command)) return command;
  const quoted = command.replace(/[\\']/g, '\\$&').replace(/\p{C}/gu, escaped);
  return `bash -c $'${quoted}'`;
}

const escaped = (character: string): string => `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;

let toldOf = false;
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!toldOf) console.error(`kuke: no log is written: ${error instanceof Error ? error.message : error}`);
    toldOf = true;
    return undefined;
  }
}
