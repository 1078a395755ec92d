/** `logFile` and `logLevel` of a plugin's configuration: what is written of what it does. */
import type { JsonObject } from '../json-object.ts';
import { PluginError } from './plugin-error.ts';

/** `error`: verbs that failed; `info`: all verbs; `debug`: their steps too. */
const LEVELS = ['error', 'info', 'debug'] as const;
export type Level = (typeof LEVELS)[number];

/** Where the log goes; '': nowhere. The environment's wins: it is who is looking just now. */
export function logPathOf({ logFile }: JsonObject): string {
  return process.env.KUKE_CNI_LOG || (typeof logFile === 'string' ? logFile : '');
}

/** `debug` where none is set, and for what is no level. */
export function levelOf({ logLevel }: JsonObject): Level {
  return LEVELS.find(level => level === String(logLevel).toLowerCase()) ?? 'debug';
}

/** Throws PluginError InvalidConfig, which names the key. */
export function checkLogging({ logFile, logLevel }: JsonObject): void {
  const said = (value: unknown) => JSON.stringify(value).slice(0, 200);
  if (logFile && typeof logFile !== 'string')
    throw new PluginError('InvalidConfig', `logFile: must be a path, not ${said(logFile)}`);
  if (!logLevel || LEVELS.some(level => level === String(logLevel).toLowerCase())) return;
  throw new PluginError('InvalidConfig', `logLevel: must be one of ${LEVELS.join(', ')}, not ${said(logLevel)}`);
}
