/** What `kuke doctor` says of the network: rules that somebody has taken away, and rules of others that drop what spaces send. */
import { type Finding, KukeError } from 'kuke/plugin';
import { explainObstacle, readEnforcement } from './firewall.ts';
import { allNetworks, type Host } from './host.ts';
import { memberOf } from './isolation.ts';
import type { SpaceNetwork } from './space-network.ts';

export async function networkFindings(host: Host): Promise<Finding[]> {
  const instance = await knownInstance(host);
  if (instance === undefined) return [];
  const { spaces } = await allNetworks(host);
  const ours = spaces.filter(network => network.instance === instance);
  if (ours.length === 0) return [];
  const { covers, obstacles } = await readEnforcement(instance);
  const open = ours.filter(network => !covers(memberOf(network)));
  const blocked = new Set(ours.flatMap(({ bridge }) => obstacles(bridge)).map(explainObstacle));
  return [
    open.length === 0
      ? { level: 'ok', what: `the rules that keep ${counted(ours)} apart are in the kernel` }
      : {
          level: 'error',
          what: `rules of the ${namesOf(open)} are missing or were changed`,
          remedy:
            'the next command that changes something puts them back, such as `kuke apply`; `nft flush ruleset` takes away everybody’s',
        },
    ...[...blocked].map((what): Finding => ({ level: 'warning', what })),
  ];
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
