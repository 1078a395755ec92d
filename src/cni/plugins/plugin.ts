/**
 * What a CNI plugin is here (specification 1.1.0, section 2): six verbs without a process of their own. The same plugin serves a runtime
 * that executes the binary (face.ts) and kuke, which calls it in process (native.ts).
 */
import type { Afterwards } from '../invoke.ts';
import type { JsonObject } from '../json.ts';
import type { Result } from '../result.ts';
import type { CniVersion, Command } from '../version.ts';
import type { Trace } from './trace.ts';

/** The attachment that a verb is about. */
export interface Endpoint {
  containerId: string;
  ifName: string;
}

/** What every verb is given: the configuration, checked as far as it is the same for all plugins. */
export interface PluginCall {
  command: Command;
  /** Name of the network. */
  network: string;
  /** The version that the caller speaks. */
  cniVersion: CniVersion;
  /** The plugin's own configuration; its keys are the plugin's to check. */
  config: JsonObject;
  /** `runtimeConfig`: what the runtime grants of the capabilities; empty without. */
  runtimeConfig: JsonObject;
  prevResult: Result | undefined;
  /** Folders in which other plugins (`ipam`) are looked for, in order. */
  path: readonly string[];
  /** Where each step is told to who follows. */
  trace: Trace;
  signal: AbortSignal | undefined;
  /** Takes what nobody waits for, where this process goes on after the answer. */
  afterwards?: Afterwards | undefined;
}

/** ADD, DEL and CHECK. */
export interface AttachmentCall extends PluginCall, Endpoint {
  /** Path of the network namespace. Not empty for ADD and CHECK; '' for a DEL whose namespace is gone. */
  netns: string;
  /** CNI_ARGS. */
  args: readonly (readonly [key: string, value: string])[];
}

/** GC: all but these is to go. */
export interface GcCall extends PluginCall {
  valid: readonly Endpoint[];
}

/**
 * A plugin. Every verb throws PluginError, or a SystemError of the kernel's, which becomes one. ADD leaves nothing behind when it throws;
 * DEL works without the namespace, on what was never added and the second time, goes on after a failure and throws at the end.
 */
export interface CniPlugin {
  add(call: AttachmentCall): Promise<Result>;
  del(call: AttachmentCall): Promise<void>;
  check(call: AttachmentCall): Promise<void>;
  gc(call: GcCall): Promise<void>;
  status(call: PluginCall): Promise<void>;
}
