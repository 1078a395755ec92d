/** Making a network: its conflist, and the rules that isolate its bridge. The bridge comes with the first cell. */
import { mkdir } from 'node:fs/promises';
import { type ActionContext, KukeError, type NetworkDefinition, networkDefinition } from 'kuke/plugin';
import { writeConflist } from '../../src/cni/conflist.ts';
import { missingPartOf } from '../../src/host/missing-folder.ts';
import { groupPorts, markedBridges, requireLegalName, requireOwnBridge } from './bridge.ts';
import { requireFree } from './choose.ts';
import { isolate } from './firewall.ts';
import { allNetworks, type Host } from './host.ts';
import { memberOf } from './isolation.ts';
import { rememberNatTables } from './nat-table.ts';
import { restoreAttachments } from './restore.ts';
import { conflistOf, conflistPath, type SpaceNetwork } from './space-network.ts';

export async function defineNetwork(
  host: Host,
  definition: NetworkDefinition,
  { signal }: ActionContext,
): Promise<void> {
  requireLegalName(definition);
  const instance = await host.instance();
  const enforce = async (network: SpaceNetwork | NetworkDefinition) => {
    await isolate(instance, memberOf(network), signal);
    groupPorts(definition.bridge);
    await restoreAttachments(host, definition.name);
  };
  const known = await ownNetwork(host, instance, definition, async () => {
    if (markedBridges(instance, definition.name).length > 0) await enforce(definition);
  });
  requireOwnBridge(instance, definition, known !== undefined);
  await rememberNatTables(host.state);
  // First the file: by it a later removal finds the bridge, whatever happens in between.
  if (known === undefined) await writeNew(host, definition, instance);
  await enforce(known ?? definition);
}

/**
 * The network as it stands; undefined if there is none. Throws Conflict if what is there is another's, or says something else; after
 * `before` where a conflist says nothing of use, for cells may be on the bridge all the same.
 */
async function ownNetwork(
  host: Host,
  instance: string,
  definition: NetworkDefinition,
  before: () => Promise<void>,
): Promise<SpaceNetwork | undefined> {
  const networks = await allNetworks(host, definition.configPath);
  const path = conflistPath(definition);
  const known = networks.spaces.find(network => network.path === path && network.instance === instance);
  if (known === undefined) {
    try {
      requireFree(networks, definition);
    } catch (error) {
      await before();
      throw error;
    }
    return undefined;
  }
  const differing = (Object.keys(definition) as (keyof NetworkDefinition)[]).filter(
    key => key in networkDefinition(known) && definition[key] !== known[key],
  );
  const [first] = differing;
  if (first === undefined) return known;
  throw new KukeError('Conflict', `${path} has ${first} ${known[first]}, not ${definition[first]}`, {
    remedy: 'try again: what the file says, counts',
  });
}

async function writeNew(host: Host, definition: NetworkDefinition, instance: string): Promise<void> {
  const { configPath } = definition;
  const made = missingPartOf(configPath);
  // First the record: by it a folder that a killed definition has left is found.
  await host.state.update(({ folders }) => {
    folders[configPath] ??= made === undefined ? {} : { made };
  });
  await mkdir(configPath, { recursive: true, mode: 0o755 });
  await writeConflist(conflistPath(definition), conflistOf(definition, instance));
}
