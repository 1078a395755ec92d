/** What kukeond says: a JSON object a line, on standard error, for journald and whoever reads it. */
import { writeSync } from 'node:fs';
import { KukeError } from '../kernel/errors.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What is said besides, by name; undefined ones are left out. */
export type LogFields = Readonly<Record<string, unknown>>;

export type Log = Record<LogLevel, (message: string, fields?: LogFields) => void> & {
  /** From here on; lower levels are not said. */
  setLevel(level: LogLevel): void;
};

/** `{"time":"2026-11-21T23:00:00.000Z","level":"info","message":"...", ...fields}`; a field that is an error is told in its words. */
export function makeLog(level: LogLevel, write: (line: string) => void = toStandardError): Log {
  let least = LOG_LEVELS.indexOf(level);
  const say =
    (at: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (LOG_LEVELS.indexOf(at) < least) return;
      const first = { time: new Date().toISOString(), level: at, message };
      write(`${JSON.stringify({ ...first, ...fields, ...first }, inWords)}\n`);
    };
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    setLevel(next) {
      least = LOG_LEVELS.indexOf(next);
    },
  };
}

function inWords(_: string, value: unknown): unknown {
  if (value instanceof KukeError) return { code: value.code, message: value.fault };
  if (value instanceof Error) return { message: value.message, stack: value.stack };
  return typeof value === 'bigint' ? Number(value) : value;
}

/** Nobody to be told of it, a full disk say, is no reason to end. */
function toStandardError(line: string): void {
  try {
    writeSync(2, line);
  } catch {}
}
