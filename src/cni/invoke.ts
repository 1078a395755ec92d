/** The seam between the protocol and the ways to reach a plugin: executed (exec.ts), or in this process. */
import type { JsonObject } from './json.ts';
import type { Command } from './version.ts';

/** One call of one plugin: the parameters of the specification's section 2, and the configuration for its standard input. */
export interface InvokeRequest {
  command: Command;
  /** The plugin's type. */
  plugin: string;
  network?: string | undefined;
  containerId?: string | undefined;
  netns?: string | undefined;
  ifName?: string | undefined;
  /** The value of CNI_ARGS. */
  args?: string | undefined;
  /** The folders in which plugins, delegated ones too, are looked for, in order. */
  path: readonly string[];
  config: JsonObject;
  /** How long the plugin may take. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Takes what is to follow a successful ADD, for which nobody waits; absent where this process may end with the answer. */
  afterwards?: Afterwards | undefined;
}

/** What is given to it rejects never. */
export type Afterwards = (work: () => Promise<void>) => void;

/**
 * Calls a plugin and returns what it answered, as parsed JSON: a result for ADD, a version object for VERSION, anything or nothing
 * for the rest. Throws CniError. When it returns, whichever way, the plugin does nothing any more.
 */
export type Invoke = (request: InvokeRequest) => Promise<unknown>;
