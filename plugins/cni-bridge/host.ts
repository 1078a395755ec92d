/** What every part of this backend works with. */
import { join } from 'node:path';
import { othersTurn } from 'kuke/plugin';
import { DEFAULT_CACHE } from '../../src/cni/cache.ts';
import { EXEC } from '../../src/cni/chain.ts';
import { DEFAULT_PATH } from '../../src/cni/exec.ts';
import { DEFAULT_DATA_DIR } from '../../src/cni/plugins/host-local/folder.ts';
import { invokeNative, NATIVE } from '../../src/cni/plugins/native.ts';
import { isBuiltIn } from '../../src/cni/plugins/registry.ts';
import { type CniRuntime, createCniRuntime } from '../../src/cni/runtime.ts';
import type { CniBridgeConfig } from './config.ts';
import { type HostStateFile, hostStateFile } from './host-state.ts';
import { DEFAULT_CONFIG_PATH, type Networks, readNetworks } from './space-network.ts';

export interface Host {
  instance(): Promise<string>;
  runPath: string;
  /** Where a person can read it. */
  instanceFile: string;
  state: HostStateFile;
  cni: CniRuntime;
  /** Whether a CNI plugin of that type is a program, to be found in `cniPath`; else it is called in process. */
  isExecuted(type: string): boolean;
  /** Folders of CNI plugins, in order. */
  cniPath: readonly string[];
  /** The runtime's result cache. */
  results: string;
  /** Where host-local keeps a folder of reservations for each network. */
  ipam: string;
  warn(message: string): void;
}

export interface HostOptions {
  instance(): Promise<string>;
  runPath: string;
  config: CniBridgeConfig;
  warn(message: string): void;
}

export function openHost({ instance, runPath, config, warn }: HostOptions): Host {
  const cniPath = config.cniPath ?? pathFromEnvironment() ?? DEFAULT_PATH;
  const isExecuted = (type: string) => config.cniPlugins === 'exec' || !isBuiltIn(type);
  const cni = createCniRuntime({
    path: cniPath,
    invokers: { [NATIVE]: invokeNative },
    invokerFor: type => (isExecuted(type) ? EXEC : NATIVE),
    timeoutMs: config.pluginTimeoutSeconds * 1000,
    pause: othersTurn,
  });
  return {
    instance,
    runPath,
    instanceFile: join(runPath, '.kuke/instance'),
    state: hostStateFile(runPath),
    cni,
    isExecuted,
    cniPath,
    results: DEFAULT_CACHE,
    ipam: DEFAULT_DATA_DIR,
    warn,
  };
}

/** All networks in the folders that spaces were ever defined in, in the default one, and in `folder`. */
export async function allNetworks({ state }: Pick<Host, 'state'>, folder = DEFAULT_CONFIG_PATH): Promise<Networks> {
  const { folders } = await state.read();
  return await readNetworks([folder, DEFAULT_CONFIG_PATH, ...Object.keys(folders)]);
}

function pathFromEnvironment(): string[] | undefined {
  const folders = process.env.CNI_PATH?.split(':').filter(Boolean) ?? [];
  return folders.length === 0 ? undefined : folders;
}
