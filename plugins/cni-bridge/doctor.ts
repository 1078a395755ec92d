/** What `kuke doctor` says of the network: rules that somebody has taken away, conflists that cannot be read, and rules of others that drop what spaces send. */
import { basename } from 'node:path';
import { type Claims, type Finding, KukeError } from 'kuke/plugin';
import { BRIDGE, INET } from '../../src/cni/ruleset.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { listChains } from '../../src/host/nftables/list.ts';
import { whyUnwritable } from '../../src/host/writable.ts';
import { bridgeMark, markedBridges } from './bridge.ts';
import { readInForce } from './enforced.ts';
import { explainObstacle } from './firewall.ts';
import { allNetworks, type Host } from './host.ts';
import { orphansIn } from './orphans.ts';
import { DEFAULT_CONFIG_PATH, type Networks, type SpaceNetwork } from './space-network.ts';

/** Without `claims` nothing is looked for that is left over. */
export async function networkFindings(host: Host, claims?: Claims): Promise<Finding[]> {
  const instance = await knownInstance(host);
  const unwritable = [host.results, host.ipam, DEFAULT_CONFIG_PATH].flatMap(folder => whyUnwritable(folder) ?? []);
  const withoutRules = whyWithoutRules();
  const lacking = [
    ...[...new Set(unwritable)].map(what => notReady(what, 'mount it writable, or free some space there')),
    ...(withoutRules === undefined
      ? []
      : [notReady(withoutRules, 'boot a kernel that has nf_tables, for bridges too')]),
  ];
  if (instance === undefined || withoutRules !== undefined) return lacking;
  const orphans = claims === undefined ? [] : await orphansIn(host, instance, claims);
  return [...lacking, ...(await rulesFindings(host, instance)), ...orphans];
}

const notReady = (what: string, remedy: string): Finding => ({ level: 'error', code: 'HostNotReady', what, remedy });

/** Rules are needed in two families, of which kernels may lack the second. */
function whyWithoutRules(): string | undefined {
  try {
    using socket = new NetlinkSocket('netfilter');
    for (const { family } of [INET, BRIDGE]) listChains(socket, { family });
    return undefined;
  } catch (error) {
    return `the kernel takes no nftables rules: ${error instanceof Error ? error.message : error}`;
  }
}

async function rulesFindings(host: Host, instance: string): Promise<Finding[]> {
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
    ...(open.length > 0 ? [missing('RulesMissing', `rules of the ${namesOf(open)} are missing or were changed`)] : []),
    ...(unpublished.length > 0
      ? [
          missing(
            'PortsMissing',
            `rules by which cells of the ${namesOf(unpublished)} publish ports are missing or were changed`,
          ),
        ]
      : []),
    ...(open.length + unpublished.length + damaged.length > 0
      ? []
      : [
          { level: 'ok', code: 'Rules', what: `the rules that keep ${counted(ours)} apart are in the kernel` } as const,
        ]),
    ...[...blocked].map((what): Finding => ({ level: 'warning', code: 'ForwardDropped', what })),
  ];
}

const missing = (code: string, what: string): Finding => ({
  level: 'error',
  code,
  what,
  remedy:
    'the next command that changes something puts them back, such as `sudo kuke doctor --fix`; `nft flush ruleset` takes away everybody’s',
  // As all that is due, they are settled by who takes the lock.
  fix: async () => {},
});

/** Of networks whose bridge is there: others' files are none of our business. */
function brokenConflists(instance: string, broken: Networks['broken']): Finding[] {
  const marks = markedBridges(instance).map(({ alias }) => alias);
  return broken
    .filter(({ path }) => marks.includes(bridgeMark(instance, basename(path, '.conflist'))))
    .map(({ message }) => ({
      level: 'error',
      code: 'ConflistBroken',
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
