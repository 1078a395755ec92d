/** What carries this installation's mark in the network and belongs to no resource. */
import { basename, join } from 'node:path';
import { type Claims, type Finding, instanceTag, shellCommand } from 'kuke/plugin';
import { listCached } from '../../src/cni/cache.ts';
import { namesIn, readText } from '../../src/cni/plugins/host-local/files.ts';
import { takenIn } from '../../src/cni/plugins/host-local/reservations.ts';
import { networkPart } from '../../src/cni/plugins/label.ts';
import { INET } from '../../src/cni/ruleset.ts';
import { listLinks } from '../../src/host/netlink/link.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { remove } from '../../src/host/nftables/change.ts';
import { explain } from '../../src/host/nftables/explain.ts';
import { getTable, listElements, listSets, readConsistently } from '../../src/host/nftables/list.ts';
import { bridgeMark, markedBridges, removeLinks } from './bridge.ts';
import { detach } from './detach.ts';
import { networkExplain } from './explain.ts';
import { readMembers, release } from './firewall.ts';
import { framesOf } from './frames.ts';
import { allNetworks, type Host } from './host.ts';
import { type Isolated, isolated, networkLabel } from './isolation.ts';
import { closeNamespace, isNamespaceOf, listNamespaces } from './namespaces.ts';
import { removeNetwork } from './remove.ts';
import { releaseReservations } from './reservations.ts';
import { DEFAULT_CONFIG_PATH, markerOf } from './space-network.ts';

/** In an order in which they can be removed: what is attached, then what it was attached to. */
export async function orphansIn(host: Host, instance: string, claims: Claims): Promise<Finding[]> {
  const networks = await orphanNetworks(host, instance, claims);
  return [
    ...orphanAttachments(host, instance, claims),
    ...orphanTraces(host, instance, claims),
    ...orphanNamespaces(host, instance, claims),
    ...networks,
  ];
}

const isClaimed = ({ attachments }: Claims, id: string) => attachments.some(beginning => id.startsWith(beginning));

/** Results of ADDs. */
function orphanAttachments(host: Host, instance: string, claims: Claims): Finding[] {
  return listCached(host.results)
    .attachments.filter(({ config }) => markerOf(config)?.instance === instance)
    .filter(({ containerId }) => !isClaimed(claims, containerId))
    .map(({ network: name, containerId, ifName, netns = '' }) => {
      const request = { name, attachmentId: containerId, interface: ifName, netns };
      return orphan(
        'Attachment',
        `attachment ${containerId} (${ifName}) to network ${name} is of no cell`,
        context => detach(host, request, context),
        () => asFarAsThere([networkExplain(host)('detach', request)]),
      );
    });
}

/** What an attachment has made, and nobody has a result of: by the label of a link or of an element, and by what a reservation holds. */
function orphanTraces(host: Host, instance: string, { networks }: Claims): Finding[] {
  const own = new RegExp(`^(\\S+) (${instanceTag(instance)}[0-9a-f]{8}-[0-9a-f]{8})/(\\S+)$`);
  const { attachments, broken } = listCached(host.results);
  const known = new Set(attachments.map(one => `${one.containerId}/${one.ifName}`));
  const traces = [...brokenResults(broken), ...labelledLinks(), ...labelledElements(), ...reservations(host)];
  return traces.flatMap(({ sort, what, label, remove, byHand }) => {
    const [, part = '', attachmentId = '', interfaceName = ''] = own.exec(label) ?? [];
    if (attachmentId === '' || known.has(`${attachmentId}/${interfaceName}`)) return [];
    const name = networks.find(network => networkPart(network) === part) ?? part;
    return [
      orphan(
        sort,
        `${what} is of an attachment that is gone, ${attachmentId} to network ${name}`,
        async context => {
          await detach(host, { name, attachmentId, interface: interfaceName, netns: '' }, context);
          await remove?.();
        },
        byHand,
      ),
    ];
  });
}

interface Trace {
  sort: 'Attachment' | 'Link' | 'Rule' | 'Address';
  what: string;
  /** `main-default 5d0c12345678-0a1b2c3d/eth0` */
  label: string;
  /** What DEL leaves, for it looks in the place where it would have been made. */
  remove?(): void | Promise<void>;
  byHand(): string;
}

/** A file is named after what it is of: `main-default-5d0c12345678-0a1b2c3d-eth0`. */
function brokenResults(broken: readonly { path: string; message: string }[]): Trace[] {
  return broken.flatMap(({ path, message }) => {
    const [, network, id, name] = /^(.+)-([0-9a-f]{12}-[0-9a-f]{8})-([^-]+)$/.exec(basename(path)) ?? [];
    if (network === undefined) return [];
    return [
      {
        sort: 'Attachment',
        what: `a result that cannot be read (${message})`,
        label: `${networkPart(network)} ${id}/${name}`,
        byHand: () => shellCommand('rm', path),
      },
    ];
  });
}

function labelledLinks(): Trace[] {
  using socket = new NetlinkSocket('route');
  return listLinks(socket)
    .filter(({ kind, alias }) => kind === 'veth' && alias !== undefined)
    .map(({ name, index, alias = '' }) => ({
      sort: 'Link',
      what: `interface ${name}`,
      label: alias,
      remove: () => removeLinks([index]),
      byHand: () => shellCommand('ip', 'link', 'delete', name),
    }));
}

/** One trace an attachment, however many elements it has. */
function labelledElements(): Trace[] {
  using socket = new NetlinkSocket('netfilter');
  const { content } = readConsistently(socket, 'the elements of attachments', () =>
    getTable(socket, INET) === undefined
      ? []
      : listSets(socket, INET).flatMap(set =>
          listElements(socket, set).map(one => ({ kind: 'elements' as const, set, elements: [one] })),
        ),
  );
  return [...Map.groupBy(content ?? [], ({ elements: [one] }) => one?.comment ?? '')].map(([label, elements]) => ({
    sort: 'Rule',
    what: `an element in the nftables table ${INET.family} ${INET.table}`,
    label,
    byHand: () => elements.map(one => explain(remove(one))).join('\n'),
  }));
}

function reservations({ ipam }: Host): Trace[] {
  return namesIn(ipam).flatMap(network =>
    [...takenIn(join(ipam, network))].map(address => {
      const [containerId = '', ifName = ''] = (readText(join(ipam, network, address)) ?? '').split(/\s+/);
      return {
        sort: 'Address' as const,
        what: `the reservation of ${address} in ${join(ipam, network)}`,
        label: `${networkPart(network)} ${containerId}/${ifName}`,
        remove: () => releaseReservations(ipam, network, { containerId, ifName }),
        // A link by the attachment's id leads to it.
        byHand: () =>
          [
            shellCommand('rm', join(ipam, network, address)),
            `find ${shellCommand(join(ipam, network))} -path '*/.by-id/*' -xtype l -delete`,
          ].join('\n'),
      };
    }),
  );
}

function orphanNamespaces(host: Host, instance: string, { netns }: Claims): Finding[] {
  return listNamespaces()
    .filter(path => isNamespaceOf(instance, path) && !netns.includes(path))
    .map(path =>
      orphan(
        'Netns',
        `network namespace ${path} is of no cell`,
        async () => closeNamespace(path),
        () => networkExplain(host)('close', { path }),
      ),
    );
}

/** By their conflist, their bridge, or the rules that know a bridge of theirs. */
async function orphanNetworks(host: Host, instance: string, { networks }: Claims): Promise<Finding[]> {
  const { spaces } = await allNetworks(host);
  const ours = spaces.filter(one => one.instance === instance);
  const lost = ours.filter(({ name }) => !networks.includes(name));
  const isKnown = (name: string) => networks.includes(name) || ours.some(one => one.name === name);
  const marked = markedBridges(instance).map(({ name: bridge, alias = '' }) => ({
    bridge,
    name: alias.slice(bridgeMark(instance, '').length),
  }));
  const bridges = marked.filter(({ name }) => !isKnown(name));
  const labels = [...networks, ...ours.map(({ name }) => name), ...bridges.map(({ name }) => name)].map(networkLabel);
  const all = readMembers(instance);
  const members = all.filter(({ network }) => !labels.includes(network));
  return [
    ...lost.map(({ path, name, configPath }) =>
      orphan(
        'Conflist',
        `conflist ${path} is of no space`,
        context => removeNetwork(host, { name, configPath }, context),
        () => {
          const own = all.filter(({ network }) => network === networkLabel(name));
          const links = marked
            .filter(one => one.name === name)
            .map(one => shellCommand('ip', 'link', 'delete', one.bridge));
          const files = [shellCommand('rm', '-rf', join(host.ipam, name)), shellCommand('rm', path)];
          return asFarAsThere([...forgetting(own), ...links, ...files]);
        },
      ),
    ),
    ...bridges.map(({ bridge, name }) =>
      orphan(
        'Bridge',
        `bridge ${bridge}, of network ${name}, is of no space`,
        context => removeNetwork(host, { name, configPath: DEFAULT_CONFIG_PATH }, context),
        () => shellCommand('ip', 'link', 'delete', bridge),
      ),
    ),
    ...members.map(member => {
      const { bridge, network } = member;
      return orphan(
        'Rule',
        `rules for bridge ${bridge} in the nftables table ${INET.family} ${INET.table} are of no space`,
        async ({ signal }) => {
          await release(instance, network, [bridge], signal);
        },
        () => asFarAsThere([...forgetting([member]), 'true']),
      );
    }),
  ];
}

/** Of what is left over, parts may be gone already; the last command is what counts. */
const asFarAsThere = (commands: string[]): string => ['(', 'set +e', ...commands, ') 2> /dev/null'].join('\n');

const forgetting = (members: readonly Isolated[]): string[] =>
  [...isolated(members), ...framesOf(members)]
    .filter(({ elements }) => elements.length > 0)
    .map(one => explain(remove(one)));

function orphan(
  sort: string,
  what: string,
  fix: NonNullable<Finding['fix']>,
  byHand: NonNullable<Finding['byHand']>,
): Finding {
  return { level: 'error', code: `Orphan${sort}`, what, fix, byHand };
}
