/** What an attachment publishes: the elements for it, and who may have which port of the host. */
import type { NetlinkSocket } from '../../../host/netlink/socket.ts';
import { getElement, listElements } from '../../../host/nftables/list.ts';
import { type Element, type Elements, elements, type NamedSet } from '../../../host/nftables/object.ts';
import type { Result } from '../../result.ts';
import { labelOf } from '../label.ts';
import type { AttachmentCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import type { PortMapping, PortmapConfig } from './config.ts';
import type { PortSection } from './sections.ts';

/** An attachment's ports in one family. */
export interface Published {
  containerId: string;
  label: string;
  /** Without a length. */
  address: string;
  /** The host's interface by which it is reached, where the result tells one. */
  bridge?: string;
  mappings: PortMapping[];
  snat: boolean;
  masqAll: boolean;
}

/** Throws PluginError if nothing can be published of something that is asked for. */
export function publishedOf(
  call: AttachmentCall,
  config: PortmapConfig,
  { family }: PortSection,
): Published | undefined {
  const { interfaces = [], ips = [] } = call.prevResult ?? {};
  const inside = ips.filter(ip => {
    const of = ip.interface === undefined ? undefined : interfaces[ip.interface];
    return of === undefined || (of.name === call.ifName && of.sandbox !== undefined && of.sandbox !== '');
  });
  const isOfFamily = (address: string) => address.includes(':') === (family === 'v6');
  const [address] = inside.map(ip => ip.address.replace(/\/.*$/, '')).filter(isOfFamily);
  const mappings = config.mappings.filter(mapping => (mapping.family ?? family) === family);
  const strict = mappings.find(mapping => mapping.family !== undefined);
  if (address === undefined && strict !== undefined) {
    throw new PluginError('InvalidConfig', `${named(strict)}: the attachment has no address of IP${family}`);
  }
  if (address === undefined || mappings.length === 0) return undefined;
  const bridge = call.prevResult && hostInterface(call.prevResult);
  const { snat, masqAll } = config;
  const label = labelOf(call.network, call);
  return { containerId: call.containerId, label, address, ...(bridge && { bridge }), mappings, snat, masqAll };
}

/** The host's interface by which an attachment is reached: the bridge, or the host's end of a pair; undefined if the result tells none. */
export function hostInterface({ interfaces }: Result): string | undefined {
  return interfaces.find(({ sandbox }) => sandbox === undefined || sandbox === '')?.name;
}

/** What of it goes into which set. */
export function elementsOf(section: PortSection, published: Published): Elements[] {
  const { label: comment, address, bridge, mappings, snat, masqAll } = published;
  const one = (set: NamedSet, ...key: string[]) => elements(set, [{ key, comment }]);
  const data = ({ containerPort }: PortMapping) => [address, String(containerPort)];
  const [on, anywhere] = [mappings.filter(({ hostIp }) => hostIp), mappings.filter(({ hostIp }) => !hostIp)];
  const distinct = (set: NamedSet, list: Element[]) =>
    elements(set, [...new Map(list.map(element => [JSON.stringify([element.key, element.data]), element])).values()]);
  return [
    distinct(
      section.anywhere,
      anywhere.map(mapping => ({ key: portOf(mapping), data: data(mapping), comment })),
    ),
    distinct(
      section.on,
      on.map(mapping => ({ key: [mapping.hostIp ?? '', ...portOf(mapping)], data: data(mapping), comment })),
    ),
    distinct(
      section.somewhere,
      on.map(mapping => ({ key: portOf(mapping) })),
    ),
    ...(snat && section.local ? [one(section.local, address)] : []),
    ...(snat ? [one(section.selves, address, address)] : []),
    ...(snat && bridge ? [one(section.neighbours, bridge, address)] : []),
    ...(snat && masqAll ? [one(section.hidden, address)] : []),
    ...(snat && bridge && section.localnet ? [elements(section.localnet, [{ key: [bridge] }])] : []),
  ];
}

const portOf = ({ protocol, hostPort }: PortMapping): string[] => [protocol, String(hostPort)];

/** Throws PluginError if a port that is wanted on one address is another's on all, or the other way round. */
export function checkOverlap(socket: NetlinkSocket, section: PortSection, { mappings, containerId }: Published): void {
  for (const mapping of mappings) {
    const key = portOf(mapping);
    const present = getElement(socket, mapping.hostIp ? section.anywhere : section.somewhere, { key });
    if (present === undefined) continue;
    const holders = mapping.hostIp
      ? [present]
      : listElements(socket, section.on).filter(({ key: [, ...rest] }) => rest.join() === key.join());
    const other = holders.find(holder => !isOf(containerId, holder));
    if (other) throw taken(other, mapping.hostIp ? [mapping.hostIp, ...key] : key);
  }
}

/** Whether an element is an attachment's of that container: one that is in two networks is told to publish the same ports twice. */
export function isOf(containerId: string, { comment = '' }: Element): boolean {
  return comment.slice(comment.indexOf(' ') + 1).startsWith(`${containerId}/`);
}

/** Plugins' own codes begin at 100. */
const PORT_TAKEN = 100;

/** Of a port (`tcp`, `80`), or one on an address, that another attachment holds. */
export function taken(present: Element, wanted: readonly string[]): PluginError {
  const [network, attachment] = (present.comment ?? '').split(' ');
  const held = present.key.length === 3 && wanted.length === 2 ? ` on ${present.key[0]}` : '';
  return new PluginError(
    PORT_TAKEN,
    `port ${portName(wanted)} of the host is published${held} by ${attachment || 'another attachment'} of network ${network || '?'}`,
    'choose another port, or delete that attachment; if it is gone already, GC of its network frees the port',
  );
}

function named({ hostIp, protocol, hostPort }: PortMapping): string {
  return `port ${portName(hostIp ? [hostIp, protocol, String(hostPort)] : [protocol, String(hostPort)])}`;
}

function portName(key: readonly string[]): string {
  const [port, protocol, address] = key.toReversed();
  if (address === undefined) return `${port}/${protocol}`;
  return `${address.includes(':') ? `[${address}]` : address}:${port}/${protocol}`;
}
