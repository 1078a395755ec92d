/** What `kuke doctor` says of the network: rules that somebody has taken away, conflists that cannot be read, and rules of others that drop what spaces send. */
import { basename } from 'node:path';
import { type Finding, KukeError } from 'kuke/plugin';
import { bridgeMark, markedBridges } from './bridge.ts';
import { readInForce } from './enforced.ts';
import { explainObstacle } from './firewall.ts';
import { allNetworks, type Host } from './host.ts';
import type { Networks, SpaceNetwork } from './space-network.ts';

export async function networkFindings(host: Host): Promise<Finding[]> {
  const instance = await knownInstance(host);
  if (instance === undefined) return [];
  const { spaces, broken } = await allNetworks(host);
  const damaged = brokenConflists(instance, broken);
  const ours = spaces.filter(network => network.instance === instance);
  if (ours.length === 0) return damaged;
  const { isolates, publishes, obstacles } = await readInForce(host, instance);
  const open = ours.filter(network => !isolates(network));
  const unpublished = ours.filter(({ name }) => !publishes(name));
  const blocked = new Set(ours.flatMap(({ bridge }) => obstacles(bridge)).map(explainObstacle));
  return [
    ...damaged,
    ...(open.length > 0 ? [missing(`rules of the ${namesOf(open)} are missing or were changed`)] : []),
    ...(unpublished.length > 0
      ? [missing(`rules by which cells of the ${namesOf(unpublished)} publish ports are missing or were changed`)]
      : []),
    ...(open.length + unpublished.length + damaged.length > 0
      ? []
      : [{ level: 'ok', what: `the rules that keep ${counted(ours)} apart are in the kernel` } as const]),
    ...[...blocked].map((what): Finding => ({ level: 'warning', what })),
  ];
}

const missing = (what: string): Finding => ({
  level: 'error',
  what,
  remedy:
    'the next command that changes something puts them back, such as `kuke apply`; `nft flush ruleset` takes away everybody’s',
});

/** Of networks whose bridge is there: others' files are none of our business. */
function brokenConflists(instance: string, broken: Networks['broken']): Finding[] {
  const marks = markedBridges(instance).map(({ alias }) => alias);
  return broken
    .filter(({ path }) => marks.includes(bridgeMark(instance, basename(path, '.conflist'))))
    .map(({ message }) => ({
      level: 'error',
      what: message,
      remedy: 'mend that file; or remove it, then the next command writes it anew',
    }));
}

/** Undefined before `kuke init`, when no space is there. */
async function knownInstance(host: Host): Promise<string | undefined> {
  try {
    return await host.instance();
  } catch (error) {
    if (error instanceof KukeError && error.code === 'NotInitialised') return undefined;
    throw error;
  }
}

const counted = (list: readonly unknown[]) => (list.length === 1 ? '1 space' : `${list.length} spaces`);

function namesOf(spaces: readonly SpaceNetwork[]): string {
  const names = spaces.map(({ realm, space }) => `${realm}/${space}`);
  return `${names.length === 1 ? 'space' : 'spaces'} ${names.join(', ')}`;
}
