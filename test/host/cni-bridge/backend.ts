/** The network backend on the box that a test runs in, and what tests do to that host from outside. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { makeNetworkBackend } from '../../../plugins/cni-bridge/backend.ts';
import type { CniBridgeConfig } from '../../../plugins/cni-bridge/config.ts';
import { type Host, openHost } from '../../../plugins/cni-bridge/host.ts';
import type { NetworkBackend, NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { links, networkNamespaces } from '../observe/network.ts';

export const CONFIG_PATH = '/etc/cni/net.d';
export const INSTANCE = '00000000-0000-4000-8000-000000000001';

export interface TestBackend {
  host: Host;
  backend: NetworkBackend;
  /** Where the plugin keeps what it remembers. */
  runPath: string;
  warnings: string[];
}

/** Lines of an inventory: the folders of CNI stay once they are there, empty ones too. */
export const cniFolders = /^file \/var\/lib\/cni\/(networks|results)\/$/;

let serial = 0;

/** A backend as the plugin makes it; two of the same `instance` and `runPath` are one installation. */
export function testBackend(
  options: Partial<{ instance: string; runPath: string; config: Partial<CniBridgeConfig> }> = {},
): TestBackend {
  const { instance = INSTANCE, runPath = `/tmp/kuke-${++serial}` } = options;
  const warnings: string[] = [];
  const host = openHost({
    instance: async () => instance,
    runPath,
    config: { cniPlugins: 'built-in', pluginTimeoutSeconds: 60, ...options.config },
    warn: message => warnings.push(message),
  });
  return { host, backend: makeNetworkBackend(host), runPath, warnings };
}

/** The box as it was: no namespaces, links, rules, conflists, reservations. */
export async function cleanHost(): Promise<void> {
  for (const name of await networkNamespaces()) await output('ip', 'netns', 'delete', name);
  await output('nft', 'flush', 'ruleset');
  // Veths go with their namespaces, a little later.
  for (const { ifname, linkinfo } of await links()) {
    if (linkinfo?.info_kind === 'bridge') await output('ip', 'link', 'delete', ifname);
  }
  for (const name of readdirSync('/tmp')) if (name.startsWith('kuke-')) rmSync(`/tmp/${name}`, { recursive: true });
  rmSync(CONFIG_PATH, { recursive: true, force: true });
  rmSync('/var/lib/cni', { recursive: true, force: true });
  mkdirSync(CONFIG_PATH, { recursive: true });
}

/** A space of realm `main` with its network. */
export async function defined(backend: NetworkBackend, space: string, subnet?: string): Promise<NetworkDefinition> {
  const { notes: _, ...definition } = await backend.choose({
    realm: 'main',
    space,
    configPath: CONFIG_PATH,
    ...(subnet !== undefined && { subnets: [subnet] }),
  });
  await backend.define(definition, context());
  return definition;
}
