/** Removing a network with all that it left on the host; what is not ours stays. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ActionContext, KukeError, type NetworkRef } from 'kuke/plugin';
import { collectNetwork } from '../../src/cni/plugins/collect.ts';
import { removeStaleTemporaries, syncDirectory } from '../../src/host/atomic-file.ts';
import { hasCode } from '../../src/host/errno.ts';
import { listLinks } from '../../src/host/netlink/link.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { markedBridges, removeLinks, requireOwnBridge } from './bridge.ts';
import { detachAll } from './detach.ts';
import { tearDown } from './failures.ts';
import { release } from './firewall.ts';
import { allNetworks, type Host } from './host.ts';
import { removeReferenceRules } from './reference-rules.ts';
import { removeReservations } from './reservations.ts';
import { conflistPath, type SpaceNetwork } from './space-network.ts';

/** Absent: nothing to do. The file goes last, for it is by the file that the rest is found again. */
export async function removeNetwork(host: Host, ref: NetworkRef, context: ActionContext): Promise<void> {
  const { name } = ref;
  const path = conflistPath(ref);
  const instance = await host.instance();
  const { spaces, foreign, broken } = await allNetworks(host, ref.configPath);
  const ours = spaces.find(network => network.path === path && network.instance === instance);
  const isTaken = [...spaces, ...foreign].some(
    network => network !== ours && (network.name === name || network.path === path),
  );
  const unreadable = broken.find(error => error.path === path);
  if (unreadable !== undefined) {
    throw new KukeError('Conflict', unreadable.message, { remedy: 'mend or remove that file' });
  }
  await tearDown({
    'detach what is attached': () => detachAll(host, network => network === name, context),
    'remove its rules': () => release(instance, name, ours ? [ours.bridge] : [], context.signal),
    'remove its bridge': () => {
      const bridges = bridgesOf(instance, name, ours);
      refuseForeignPorts(bridges);
      removeLinks(bridges);
    },
    // What carries no mark but the name, is another's if the name is.
    ...(!isTaken && {
      'remove what its plugins have left': () => collectNetwork(name, host.cniPath),
      'remove its rules in iptables': () => removeReferenceRules({ network: name }, context),
      'remove its reservations': () => removeReservations(host.ipam, name),
    }),
  });
  // Of a definition that was killed while it wrote the file, too.
  await removeStaleTemporaries(dirname(path));
  if (ours !== undefined) await removeFile(path);
}

/** No container's end is here any more, so that a port which is no veth, or leads to this very host, is somebody else's. */
function refuseForeignPorts(bridges: readonly number[]): void {
  using socket = new NetlinkSocket('route');
  const ports = listLinks(socket).filter(({ master }) => master !== undefined && bridges.includes(master));
  const foreign = ports.filter(({ kind, linkNetnsId }) => kind !== 'veth' || linkNetnsId === undefined);
  if (foreign.length === 0) return;
  const names = foreign.map(({ name }) => name).join(', ');
  throw new KukeError('Conflict', `the bridge has ports that are not kuke's: ${names}`, {
    remedy: `take them out of it (\`ip link set ${foreign[0]?.name} nomaster\`), then try again`,
  });
}

function bridgesOf(instance: string, name: string, ours: SpaceNetwork | undefined): number[] {
  const marked = markedBridges(instance, name).map(({ index }) => index);
  const recorded = ours && ownBridgeIndex(instance, ours);
  return [...new Set([...marked, ...(recorded === undefined ? [] : [recorded])])];
}

/** Of the bridge that the conflist names, if that is ours. */
function ownBridgeIndex(instance: string, network: SpaceNetwork): number | undefined {
  try {
    return requireOwnBridge(instance, network, true)?.index;
  } catch (error) {
    if (error instanceof KukeError || error instanceof RangeError) return undefined; // another's, or no name for a link
    throw error;
  }
}

async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path)).catch(error => {
    if (!hasCode(error, 'ENOENT')) throw error;
  });
}
