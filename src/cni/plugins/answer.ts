/** What a plugin program answers to a call: from environment and standard input to standard output and the exit status. */
import type { Afterwards } from '../invoke.ts';
import { isObject, type JsonObject } from '../json-object.ts';
import { exactConfig } from '../key-case.ts';
import { COMMANDS, LATEST } from '../version.ts';
import type { CallRequest, Verb } from './call.ts';
import { logPathOf } from './log-level.ts';
import type { LoadPlugin } from './perform.ts';
import { PluginError } from './plugin-error.ts';
import { BUILT_IN, isBuiltIn, loadPlugin } from './registry.ts';
import { versionInfo } from './version-info.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What came in. `called`: the name that the program was called by. */
export interface Input {
  env: Environment;
  called: string;
  stdin: string;
  signal?: AbortSignal;
  afterwards?: Afterwards;
}

/** The same, before standard input is read. */
export type Caller = Pick<Input, 'env' | 'called'>;

export interface Answer {
  status: number;
  /** Standard output: '' for nothing, else JSON. */
  text: string;
  /** Takes back what an ADD made whose result did not arrive. */
  undo?: () => Promise<unknown>;
}

/** Answers a call. Nothing is thrown. */
export async function answer(
  { env, called, stdin, signal, afterwards }: Input,
  load: LoadPlugin = loadPlugin,
): Promise<Answer> {
  let version: string = LATEST;
  let config: JsonObject = {};
  let request: CallRequest;
  try {
    const command = commandOf(env);
    config = configOf(stdin, command);
    if (typeof config.cniVersion === 'string' && config.cniVersion !== '') version = config.cniVersion;
    if (command === 'VERSION') {
      await log({ env, called }, config);
      return { status: 0, text: JSON.stringify(versionInfo(config)) };
    }
    request = { ...requestOf(command, env, called, config), signal, afterwards };
  } catch (error) {
    return await misunderstood(error, { env, called }, config, version);
  }
  try {
    const { command } = request;
    const { perform } = await import('./perform.ts');
    const undo = () => perform({ ...request, command: 'DEL', signal: undefined, afterwards: undefined }, load);
    const result = await perform(request, load).catch((error: unknown) => {
      throw signal?.aborted ? calledOffAmid(command, signal.reason, error) : error;
    });
    if (command !== 'ADD') return { status: 0, text: '' };
    // What came while the plugin did not wait for anything is heard of here.
    await new Promise(resolve => setImmediate(resolve));
    if (signal?.aborted) throw await calledOff(signal.reason, undo);
    return { status: 0, text: JSON.stringify(result), undo };
  } catch (error) {
    return refusal(error, version);
  }
}

/** An ADD that throws has undone itself; what it says besides that it was called off is told. */
function calledOffAmid(command: Verb, reason: unknown, error: unknown): unknown {
  if (command !== 'ADD') return reason;
  const { code, msg } = asError(reason);
  return new PluginError(code, msg, error === reason ? NOTHING_LEFT : asError(error).message, error);
}

/** What an ADD that is called off when it is done answers, once it is taken back. */
async function calledOff(reason: unknown, undo: () => Promise<unknown>): Promise<PluginError> {
  const { code, msg } = asError(reason);
  try {
    await undo();
    return new PluginError(code, msg, NOTHING_LEFT);
  } catch (error) {
    return new PluginError(code, msg, `and it was not undone: ${asError(error).message}`, error);
  }
}

const NOTHING_LEFT = 'nothing of the attachment is left';

function asError(thrown: unknown): PluginError {
  if (thrown instanceof PluginError) return thrown;
  return new PluginError('Internal', thrown instanceof Error ? thrown.message : `${thrown}`);
}

function commandOf({ CNI_COMMAND: given = '' }: Environment): Verb | 'VERSION' {
  const command = COMMANDS.find(one => one === given);
  if (command !== undefined) return command;
  const what = JSON.stringify(given.slice(0, 100));
  throw new PluginError('InvalidEnvironment', `CNI_COMMAND ${what} is none of ${COMMANDS.join(', ')}`);
}

/** VERSION may be asked with nothing on standard input. */
function configOf(stdin: string, command: string): JsonObject {
  if (command === 'VERSION' && stdin.trim() === '') return {};
  const config = parsed(stdin) ?? {}; // to Go, null is an object without anything in it
  if (isObject(config)) return exactConfig(config);
  throw new PluginError('DecodingFailure', 'the network configuration on standard input is no JSON object');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const what = text.trim() === '' ? 'there is nothing on standard input' : 'what is on standard input is no JSON';
    throw new PluginError('DecodingFailure', `${what}: the network configuration was expected`, reason);
  }
}

function requestOf(command: Verb, env: Environment, called: string, config: JsonObject): CallRequest {
  return {
    command,
    plugin: pluginOf(called, config),
    containerId: env.CNI_CONTAINERID,
    netns: env.CNI_NETNS,
    ifName: env.CNI_IFNAME,
    args: env.CNI_ARGS,
    path: env.CNI_PATH?.split(':').filter(Boolean) ?? [],
    ownNetns: ['1', 'true'].includes(env.CNI_NETNS_OVERRIDE?.toLowerCase() ?? ''),
    config,
  };
}

/** A delegated IPAM plugin is given the configuration of the one that delegates, so the name comes first. */
function pluginOf(called: string, { type }: JsonObject): string {
  if (isBuiltIn(called)) return called;
  if (typeof type === 'string' && isBuiltIn(type)) return type;
  const here = `built in are ${BUILT_IN.join(', ')}`;
  throw new PluginError(
    'InvalidConfig',
    `type: ${JSON.stringify(type) ?? 'missing, and it'} is no plugin of kuke's`,
    here,
  );
}

/** The error object for a call that got to no plugin. Who looks by KUKE_CNI_LOG sees it, too. */
export async function misunderstood(
  thrown: unknown,
  { env, called }: Caller,
  config: JsonObject = {},
  version: string = LATEST,
): Promise<Answer> {
  await log({ env, called }, config, asError(thrown));
  return refusal(thrown, version);
}

/** What no plugin is asked for has no steps, and is one line. */
async function log({ env, called }: Caller, config: JsonObject, error?: PluginError): Promise<void> {
  const path = logPathOf(config);
  if (path === '') return;
  const attachment = { containerId: env.CNI_CONTAINERID, netns: env.CNI_NETNS, ifName: env.CNI_IFNAME };
  const subject = { command: env.CNI_COMMAND ?? '', plugin: called, ...attachment, config };
  (await import('./log.ts')).openLog(path, subject).end(error);
}

function refusal(thrown: unknown, cniVersion: string): Answer {
  const { code, msg, details } = asError(thrown);
  return { status: 1, text: JSON.stringify({ cniVersion, code, msg, ...(details !== '' && { details }) }) };
}
