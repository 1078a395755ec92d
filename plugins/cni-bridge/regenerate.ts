/**
 * `kuke init --force-regenerate-cni` (spec.md §4): writes the conflist of a space anew. Subnet, network name and a bridge that exists
 * under a legal name stay; any other bridge is renamed, its rules with it, so that cells keep their addresses.
 */
import {
  type ActionContext,
  type KukeBackends,
  KukeError,
  type NetworkDefinition,
  networkDefinition,
} from 'kuke/plugin';
import * as v from 'valibot';
import { formatConflist, writeConflist } from '../../src/cni/conflist.ts';
import { hasCode } from '../../src/host/errno.ts';
import { listAddresses } from '../../src/host/netlink/address.ts';
import { type Link, listLinks, setLink } from '../../src/host/netlink/link.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { bridgeMark, groupPorts, requireOwnBridge } from './bridge.ts';
import { isolate, isolateToo } from './firewall.ts';
import { allNetworks, type Host } from './host.ts';
import { memberOf } from './isolation.ts';
import { bridgeName, isLegalBridge } from './names.ts';
import { conflistOf, conflistPath, type SpaceNetwork } from './space-network.ts';

export interface Regeneration {
  definition: NetworkDefinition;
  /** The bridge that is renamed to the definition's. */
  rename?: string;
}

/** What has to be done; nothing for a conflist that is as it would be written. */
export async function planRegeneration(host: Host): Promise<Regeneration[]> {
  const instance = await host.instance();
  const { spaces } = await allNetworks(host);
  const ours = spaces.filter(network => network.instance === instance);
  using socket = new NetlinkSocket('route');
  return ours.flatMap(network => {
    const existing = existingBridge(socket, instance, network)?.name;
    const keeps = existing !== undefined && isLegalBridge(existing);
    const bridge = keeps ? existing : bridgeName(network.realm, network.space);
    const definition = { ...networkDefinition(network), bridge };
    const rename = existing === undefined || keeps ? {} : { rename: existing };
    const isAsWritten = formatConflist(network.config.json) === formatConflist(conflistOf(definition, instance));
    return isAsWritten && !('rename' in rename) ? [] : [{ definition, ...rename }];
  });
}

/** The bridge that the network's cells are on, whatever the conflist says: marked as such, or else known by the gateway's address. */
function existingBridge(socket: NetlinkSocket, instance: string, { name, gateway }: SpaceNetwork): Link | undefined {
  const bridges = listLinks(socket).filter(({ kind }) => kind === 'bridge');
  const marked = bridges.find(({ alias }) => alias === bridgeMark(instance, name));
  if (marked !== undefined) return marked;
  const addresses = listAddresses(socket).filter(({ address }) => address.startsWith(`${gateway}/`));
  return bridges.find(({ alias, index }) => alias === undefined && addresses.some(({ link }) => link === index));
}

/** At every moment the rules know the name that the bridge has; done again after a crash, it goes on where it was. */
export async function regenerate(
  host: Host,
  { definition, rename }: Regeneration,
  store: KukeBackends['store'],
  { signal }: ActionContext,
): Promise<void> {
  const instance = await host.instance();
  const { name } = definition;
  const member = memberOf(definition);
  await isolateToo(instance, member, signal);
  if (rename !== undefined) await renameBridge(rename, definition, () => attachedCells(store, name));
  groupPorts(definition.bridge);
  const link = requireOwnBridge(instance, definition, true);
  if (link !== undefined) mark(link.index, bridgeMark(instance, name));
  await writeConflist(conflistPath(definition), conflistOf(definition, instance));
  await isolate(instance, member, signal);
}

async function renameBridge(
  from: string,
  { bridge, name }: NetworkDefinition,
  attached: () => Promise<string[]>,
): Promise<void> {
  using socket = new NetlinkSocket('route');
  const link = listLinks(socket).find(one => one.name === from);
  if (link === undefined) return; // done before a crash
  try {
    renameLink(socket, link.index, bridge);
  } catch (error) {
    const cells = await attached();
    const message = `bridge ${from} of network ${name} cannot be renamed to ${bridge}: ${error instanceof Error ? error.message : error}`;
    throw new KukeError('Conflict', message, {
      cause: error,
      remedy: `stop ${cells.length === 0 ? 'what is attached to it' : `the cells ${cells.join(', ')}`}, then run it again`,
    });
  }
}

/** Kernels before 6.2 rename an interface only while it is down. */
export function renameLink(socket: NetlinkSocket, index: number, name: string): void {
  try {
    setLink(socket, index, { name });
  } catch (error) {
    if (!hasCode(error, 'EBUSY')) throw error;
    setLink(socket, index, { up: false });
    try {
      setLink(socket, index, { name });
    } finally {
      setLink(socket, index, { up: true });
    }
  }
}

function mark(index: number, alias: string): void {
  using socket = new NetlinkSocket('route');
  setLink(socket, index, { alias });
}

const attachedSchema = v.object({ attachments: v.array(v.object({ network: v.string() })) });

/** The cells whose status says that they are attached to a network. */
async function attachedCells(store: KukeBackends['store'], network: string): Promise<string[]> {
  const { resources } = await store.list();
  return resources
    .filter(({ manifest }) => {
      const status = v.safeParse(attachedSchema, manifest.status);
      return status.success && status.output.attachments.some(one => one.network === network);
    })
    .map(({ ref }) => ref.path.join('/'));
}
