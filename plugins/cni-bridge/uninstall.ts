/** `kuke uninstall`: all that carries this installation's mark goes, and the host forwards again as it did before. */
import { rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ActionContext } from 'kuke/plugin';
import { uninstallPlugins } from '../../src/cni/plugin-installation.ts';
import { collectNetwork } from '../../src/cni/plugins/collect.ts';
import { hasCode } from '../../src/host/errno.ts';
import { bridgeMark, markedBridges, removeLinks } from './bridge.ts';
import { detachAll } from './detach.ts';
import { tearDown } from './failures.ts';
import { releaseAll } from './firewall.ts';
import { restoreForwarding } from './forwarding.ts';
import { allNetworks, type Host } from './host.ts';
import { closeNamespace, isNamespaceOf, listNamespaces } from './namespaces.ts';
import { removeNatTables } from './nat-table.ts';
import { removeNetwork } from './remove.ts';

export async function uninstall(host: Host, context: ActionContext): Promise<void> {
  const instance = await host.instance();
  await tearDown({
    'remove networks': () => removeNetworks(host, instance, context),
    // To networks whose conflist is lost.
    'detach what is attached': () => detachAll(host, () => true, context),
    'remove what their plugins have left': () => collectLost(host, instance),
    'remove its rules': () => releaseAll(instance, context.signal),
    'remove the tables of iptables that came with it': () => removeNatTables(host.state),
    'remove its bridges': () => removeLinks(markedBridges(instance).map(({ index }) => index)),
    'remove its network namespaces': () => {
      for (const path of listNamespaces()) if (isNamespaceOf(instance, path)) closeNamespace(path);
    },
    'restore forwarding': () => restoreForwarding(host.state),
    'remove empty folders': () => removeFolders(host),
    'remove CNI plugins from where other runtimes find them': () => uninstallPlugins(undefined, host.runPath),
  });
  await host.state.remove();
}

async function removeNetworks(host: Host, instance: string, context: ActionContext): Promise<void> {
  const { spaces } = await allNetworks(host);
  const ours = spaces.filter(network => network.instance === instance);
  await tearDown(Object.fromEntries(ours.map(one => [`remove ${one.path}`, () => removeNetwork(host, one, context)])));
}

/** Of networks whose conflist is lost, but whose bridge is there: unless somebody else has a network of that name. */
async function collectLost(host: Host, instance: string): Promise<void> {
  const { spaces, foreign } = await allNetworks(host);
  const known = new Set([...spaces, ...foreign].map(({ name }) => name));
  const lost = markedBridges(instance).map(({ alias = '' }) => alias.slice(bridgeMark(instance, '').length));
  const steps = lost.flatMap(name =>
    known.has(name) || name === '' ? [] : [[`of ${name}`, () => collectNetwork(name, host.cniPath)] as const],
  );
  await tearDown(Object.fromEntries(steps));
}

/** Those of CNI, and those made for conflists; only if nothing is left in them. */
async function removeFolders({ state, results, ipam }: Host): Promise<void> {
  const { folders } = await state.read();
  for (const folder of [results, ipam, dirname(ipam)]) removeIfEmpty(folder);
  for (const [folder, { made }] of Object.entries(folders)) {
    if (made === undefined) continue;
    for (let path = folder; path.startsWith(made); path = dirname(path)) removeIfEmpty(path);
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY')) throw error;
  }
}
