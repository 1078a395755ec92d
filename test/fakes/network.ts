/** Networks, namespaces and attachments in memory. */
import {
  type Attachment,
  type AttachRequest,
  type DetachRequest,
  explainWith,
  type NamespaceRequest,
  type NetworkActions,
  type NetworkBackend,
  type NetworkChoice,
  type NetworkDefinition,
  type NetworkRef,
  networkDefinition,
  shellCommand,
  thereWith,
} from '../../src/kernel/backends/index.ts';
import { KukeError } from '../../src/kernel/errors.ts';
import { isIpv6Range, rangeFault } from '../../src/kernel/ip-range.ts';
import { type FakeHost, processOn } from './host.ts';

const CONFIG_PATH = '/etc/cni/net.d';
const FIRST = '10.88.0.0/16';
const POOL = Array.from({ length: 39 * 16 }, (_, i) => `10.${89 + (i >> 4)}.${(i & 15) << 4}.0/20`);

const toNumber = (address: string) => address.split('.').reduce((value, byte) => value * 256 + Number(byte), 0);
const toAddress = (value: number) => [24, 16, 8, 0].map(shift => (value >>> shift) & 255).join('.');

function bounds(range: string): { start: number; end: number } {
  const [address = '', length = '32'] = range.split('/');
  const size = 2 ** (32 - Number(length));
  const start = Math.floor(toNumber(address) / size) * size;
  return { start, end: start + size };
}

function checkRange(range: string): void {
  const fault = rangeFault(range);
  if (fault !== undefined) throw new KukeError('InvalidManifest', `${range} ${fault}`);
}

function overlaps(one: string, other: string): boolean {
  const [a, b] = [bounds(one), bounds(other)];
  return a.start < b.end && b.start < a.end;
}

/** Free of what `taken` says: the pair's own spelling if it is unambiguous, else with a hash (spec.md §4). */
function names(realm: string, space: string, taken: ReadonlyMap<string, NetworkDefinition>) {
  const hash = Bun.hash(JSON.stringify([realm, space]))
    .toString(36)
    .slice(0, 8);
  const plain = `${realm}-${space}`;
  const holder = taken.get(plain);
  const isOurs = holder === undefined || (holder.realm === realm && holder.space === space);
  const isShort = plain.length <= 10 && !plain.replace('-', '').includes('-');
  return { name: isOurs ? plain : `${plain}-${hash}`, bridge: `kuke-${isShort ? plain : hash}` };
}

export function fakeNetwork(host: FakeHost): NetworkBackend {
  const { action, read } = processOn(host);

  function subnetFor(isFirst: boolean, wanted: string | undefined): { subnet: string; notes: string[] } {
    const used = [...host.usedRanges, ...[...host.networks.values()].map(({ subnet }) => subnet)];
    const taker = (range: string) => used.find(other => overlaps(range, other));
    if (wanted !== undefined) {
      checkRange(wanted);
      const other = taker(wanted);
      if (other !== undefined) throw new KukeError('Conflict', `${wanted} overlaps ${other}, which is in use`);
      return { subnet: wanted, notes: [] };
    }
    if (isFirst && taker(FIRST) === undefined) return { subnet: FIRST, notes: [] };
    const subnet = POOL.find(range => taker(range) === undefined);
    if (subnet === undefined) throw new KukeError('NetworkFailed', 'no free range in 10.89.0.0-10.127.255.255');
    const notes = isFirst ? [`main/default takes ${subnet}: ${FIRST} overlaps ${taker(FIRST)}, which is in use`] : [];
    return { subnet, notes };
  }

  function checkFree6(range: string): void {
    checkRange(range);
    const taken = [...host.networks.values()].some(({ subnet6 }) => subnet6 === range);
    if (taken) throw new KukeError('Conflict', `${range} is in use`);
  }

  const choose: NetworkBackend['choose'] = request =>
    read('network.choose', (): NetworkChoice => {
      const { realm, space, configPath = CONFIG_PATH, recorded } = request;
      const known = [...host.networks.values()].find(net => net.ours && net.realm === realm && net.space === space);
      if (known !== undefined) return { ...networkDefinition(known), notes: [] };
      if (recorded !== undefined) return { ...networkDefinition(recorded), notes: [] };
      const { subnets = [], ipv6 = false } = request;
      const isFirst = realm === 'main' && space === 'default';
      const { subnet, notes } = subnetFor(
        isFirst,
        subnets.find(range => !isIpv6Range(range)),
      );
      const gateway = toAddress(bounds(subnet).start + 1);
      const subnet6 = subnets.find(isIpv6Range) ?? (ipv6 ? uniqueLocal(realm, space) : undefined);
      if (subnet6 !== undefined) checkFree6(subnet6);
      const both = subnet6 === undefined ? {} : { subnet6, gateway6: subnet6.replace(/::\/.*/, '::1') };
      return { realm, space, ...names(realm, space, host.networks), configPath, subnet, gateway, ...both, notes };
    });

  function attach(request: AttachRequest): Attachment {
    const { name, netns, attachmentId } = request;
    const network = host.networks.get(name);
    if (network === undefined) throw new KukeError('NotFound', `no network ${name} in ${request.configPath}`);
    if (!host.netns.has(netns))
      throw new KukeError('NetworkFailed', `open ${netns}: No such file or directory (ENOENT)`);
    const known = host.attachments.get(attachmentId);
    if (known !== undefined) return attachment(known);
    const { subnet6, gateway } = network;
    const { start, end } = bounds(network.subnet);
    const length = network.subnet.split('/')[1] ?? '';
    const used = new Set(
      [...host.attachments.values()].filter(other => other.network === name).flatMap(a => a.addresses),
    );
    const [asked = ''] = (request.addresses ?? []).map(address => address.split('/')[0] ?? '');
    let next = asked === '' ? start + 2 : toNumber(asked);
    while (used.has(`${toAddress(next)}/${length}`)) next++;
    if (next >= end - 1) throw new KukeError('NetworkFailed', `no address left in ${network.subnet}`);
    network.bridgeExists = true;
    const made: Attachment = {
      network: name,
      interface: request.interface,
      addresses: [
        `${toAddress(next)}/${length}`,
        ...(subnet6 === undefined ? [] : [subnet6.replace('::/', `::${(next - start).toString(16)}/`)]),
      ],
      gateway,
      attachmentId,
      ...(request.ports && { ports: request.ports }),
    };
    host.attachments.set(attachmentId, { ...made, netns });
    return made;
  }

  return {
    choose,
    define: action<NetworkDefinition, void>('network.define', wanted => {
      const there = host.networks.get(wanted.name);
      if (there !== undefined && (!there.ours || there.realm !== wanted.realm || there.space !== wanted.space)) {
        throw new KukeError('Conflict', `${wanted.configPath}/${wanted.name}.conflist exists and is not this space's`);
      }
      const bridgeExists = there?.bridgeExists ?? false;
      host.networks.set(wanted.name, { ...networkDefinition(wanted), ours: true, bridgeExists, enforced: true });
    }),
    remove: action<NetworkRef, void>('network.remove', ({ name }) => {
      if (host.networks.get(name)?.ours) host.networks.delete(name);
    }),
    open: action<NamespaceRequest, void>('network.open', ({ path }) => {
      if (host.netns.get(path) === false) throw new KukeError('Conflict', `${path} exists and is not kuke's`);
      host.netns.set(path, true);
    }),
    close: action<NamespaceRequest, void>('network.close', ({ path }) => {
      if (host.netns.get(path)) host.netns.delete(path);
    }),
    attach: action<AttachRequest, Attachment>('network.attach', attach),
    detach: action<DetachRequest, void>('network.detach', ({ attachmentId }) => {
      host.attachments.delete(attachmentId);
    }),
    probe: async () => ({ ok: true, message: 'port is open' }),
    observe: ({ configPaths }) =>
      read('network.observe', () => ({
        networks: [...host.networks.values()].filter(({ configPath }) => configPaths.includes(configPath)),
        attachments: [...host.attachments.values()].map(({ isCut, ...made }) => ({
          ...made,
          present: host.netns.has(made.netns) && isCut !== true,
        })),
        namespaces: [...host.netns].filter(([, ours]) => ours).map(([path]) => path),
        problems: [],
      })),
    isThere: thereWith<NetworkActions>({
      define: ({ name }) => read('network.isThere', () => host.networks.get(name)?.ours === true),
      open: ({ path }) => read('network.isThere', () => host.netns.get(path) === true),
      attach: ({ attachmentId }) => read('network.isThere', () => host.attachments.has(attachmentId)),
    }),
    explain: explainWith<NetworkActions>({
      define: ({ configPath, name }) => shellCommand('install', '-D', '/dev/stdin', `${configPath}/${name}.conflist`),
      remove: ({ configPath, name }) => shellCommand('rm', `${configPath}/${name}.conflist`),
      open: ({ path }) => shellCommand('ip', 'netns', 'add', path),
      close: ({ path }) => shellCommand('ip', 'netns', 'delete', path),
      attach: ({ name, netns }) => shellCommand('cnitool', 'add', name, netns),
      detach: ({ name, netns }) => shellCommand('cnitool', 'del', name, netns),
    }),
  };
}

/** A /64 of its own for each pair. */
function uniqueLocal(realm: string, space: string): string {
  const id = Number(Bun.hash.crc32(`${realm}/${space}`))
    .toString(16)
    .padStart(8, '0');
  return `fd00:0:${id.slice(0, 4)}:${id.slice(4)}::/64`.replace(/:0+(?=[0-9a-f])/g, ':');
}

function attachment({ netns: _, ...made }: Attachment & { netns: string }): Attachment {
  return made;
}
