/** What every part of this backend works with. */
import type { CniRuntime } from '../../src/cni/runtime.ts';
import type { HostStateFile } from './host-state.ts';
import { DEFAULT_CONFIG_PATH, type Networks, readNetworks } from './space-network.ts';

export interface Host {
  instance(): Promise<string>;
  state: HostStateFile;
  cni: CniRuntime;
  /** Folders of CNI plugins, in order. */
  cniPath: readonly string[];
  /** The runtime's result cache. */
  results: string;
  /** Where host-local keeps a folder of reservations for each network. */
  ipam: string;
  warn(message: string): void;
}

/** All networks in the folders that spaces were ever defined in, in the default one, and in `folder`. */
export async function allNetworks({ state }: Pick<Host, 'state'>, folder = DEFAULT_CONFIG_PATH): Promise<Networks> {
  const { folders } = await state.read();
  return await readNetworks([folder, DEFAULT_CONFIG_PATH, ...Object.keys(folders)]);
}
