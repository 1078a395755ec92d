/** A network to attach containers to, by the reference plugins, by kuke executed as a plugin, and by kuke's plugins in this process. */
import '../test/host/box.ts';
import { existsSync, linkSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type NetworkConfig, parseNetworkConfig } from '../src/cni/config.ts';
import { invokeNative, NATIVE } from '../src/cni/plugins/native.ts';
import { BUILT_IN } from '../src/cni/plugins/registry.ts';
import { type CniRuntime, createCniRuntime } from '../src/cni/runtime.ts';

export const REFERENCE = '/usr/lib/cni';

/** kuke under the plugins' names. */
export function kukePlugins(): string {
  const folder = '/opt/kuke-plugins';
  mkdirSync(folder, { recursive: true });
  for (const name of BUILT_IN) lay(join(folder, name));
  return folder;
}

function lay(path: string): void {
  const binary = process.env.KUKE_TEST_BINARY ?? '';
  if (existsSync(path)) return;
  try {
    linkSync(binary, path);
  } catch {
    symlinkSync(binary, path); // the box has file systems of its own
  }
}

export const runtimes = (): Record<'reference' | 'executed' | 'inProcess', CniRuntime> => ({
  reference: createCniRuntime({ path: [REFERENCE] }),
  executed: createCniRuntime({ path: [kukePlugins()] }),
  inProcess: createCniRuntime({ invokers: { [NATIVE]: invokeNative }, invokerFor: () => NATIVE }),
});

/** What a space's network is: a bridge with masquerading, and addresses of host-local. */
export function network(name: string, index: number, version = '1.0.0'): NetworkConfig {
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: `10.${100 + index}.0.0/16` }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const bridge = { type: 'bridge', bridge: `br-${name}`.slice(0, 15), isGateway: true, ipMasq: true, ipam };
  return parseNetworkConfig({ cniVersion: version, name, plugins: [bridge] });
}

export const netnsOf = (id: string) => `/run/netns/${id}`;

export function addNamespaces(...ids: string[]): void {
  const batch = ids.map(id => `netns add ${id}\n`).join('');
  const { exitCode, stderr } = Bun.spawnSync(['ip', '-batch', '-'], { stdin: Buffer.from(batch) });
  if (exitCode !== 0) throw new Error(`ip netns add: ${stderr}`);
}

let counter = 0;

/** A namespace, as new. */
export function freshNamespace(): string {
  const id = `c${counter++}`;
  addNamespaces(id);
  return id;
}

export function removeNamespace(id: string): void {
  Bun.spawnSync(['ip', 'netns', 'del', id]);
}

export const attachmentOf = (id: string) => ({ containerId: id, netns: netnsOf(id), ifName: 'eth0' });
