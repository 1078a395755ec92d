/** One verb of one plugin, from what came to what is answered: what the two faces, program and in process, have in common. */
import type { JsonObject } from '../json.ts';
import { formatResult } from '../result.ts';
import { type Call, type CallRequest, callOf } from './call.ts';
import { asPluginError } from './failure.ts';
import type { Log } from './log.ts';
import { checkLogging, logPathOf } from './log-level.ts';
import type { CniPlugin } from './plugin.ts';
import { PluginError } from './plugin-error.ts';
import { loadPlugin } from './registry.ts';
import { silent } from './trace.ts';

export type LoadPlugin = (type: string) => Promise<CniPlugin | undefined>;

const UNHEARD: Log = { trace: silent, end() {} };

/** The result of ADD in the caller's version; nothing for the other verbs. Throws PluginError, and nothing else. */
export async function perform(request: CallRequest, load: LoadPlugin = loadPlugin): Promise<JsonObject | undefined> {
  const log = await logOf(request);
  try {
    // What takes away does its work however wrong the rest of the configuration may be.
    if (request.command !== 'DEL' && request.command !== 'GC') checkLogging(request.config);
    const afterwards = log === UNHEARD ? request.afterwards : undefined; // who follows it is told of all before the verb's end
    const call = callOf({ ...request, afterwards }, log.trace);
    const plugin = await load(request.plugin);
    if (plugin === undefined) throw notBuiltIn(request.plugin);
    const result = await run(plugin, call);
    log.end();
    return result;
  } catch (thrown) {
    const error = asPluginError(thrown);
    log.end(error);
    throw error;
  }
}

async function run(plugin: CniPlugin, call: Call): Promise<JsonObject | undefined> {
  switch (call.command) {
    case 'ADD':
      return formatResult(await plugin.add(call), call.cniVersion);
    case 'DEL':
      await plugin.del(call);
      return undefined;
    case 'CHECK':
      await plugin.check(call);
      return undefined;
    case 'GC':
      await plugin.gc(call);
      return undefined;
    case 'STATUS':
      await plugin.status(call);
      return undefined;
  }
}

async function logOf(request: CallRequest): Promise<Log> {
  const path = logPathOf(request.config);
  return path === '' ? UNHEARD : (await import('./log.ts')).openLog(path, request);
}

function notBuiltIn(type: string): PluginError {
  return new PluginError('InvalidConfig', `type: ${JSON.stringify(type)} is no plugin of kuke's`);
}
