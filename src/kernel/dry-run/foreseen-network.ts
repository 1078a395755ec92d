import type { DetachRequest, NetworkBackend, NetworkObservation, NetworkRef } from '../backends/index.ts';
import type { DryRun } from './dry-run.ts';

type Network = NetworkObservation['networks'][number];
type Attached = NetworkObservation['attachments'][number];

export function foreseenNetwork(real: NetworkBackend, { unknowns }: DryRun): Partial<NetworkBackend> {
  /** Undefined: removed. */
  const networks = new Map<string, Network | undefined>();
  const attachments = new Map<string, Attached | undefined>();
  const namespaces = new Map<string, boolean>();
  const keyOf = ({ configPath, name }: NetworkRef) => `${configPath}/${name}`;
  const idOf = ({ name, attachmentId, interface: of }: Pick<DetachRequest, 'name' | 'attachmentId' | 'interface'>) =>
    [name, attachmentId, of].join(' ');
  const observe: NetworkBackend['observe'] = async request => {
    const there = await real.observe(request);
    const isAsked = (one: Network | undefined) => one !== undefined && request.configPaths.includes(one.configPath);
    const isGone = (path: string) => namespaces.get(path) === false;
    return {
      ...there,
      networks: [
        ...there.networks.filter(one => !networks.has(keyOf(one))),
        ...[...networks.values()].filter(isAsked).filter(one => one !== undefined),
      ],
      attachments: [
        ...there.attachments.filter(one => !attachments.has(idOf({ ...one, name: one.network }))),
        ...[...attachments.values()].filter(one => one !== undefined),
      ].map(one => (isGone(one.netns) ? { ...one, present: false } : one)),
      namespaces: [
        ...there.namespaces.filter(path => !namespaces.has(path)),
        ...[...namespaces].flatMap(([path, isThere]) => (isThere ? [path] : [])),
      ],
    };
  };
  return {
    async define(definition) {
      networks.set(keyOf(definition), { ...definition, ours: true, bridgeExists: true, enforced: true });
    },
    async remove(ref) {
      networks.set(keyOf(ref), undefined);
    },
    async open({ path }) {
      namespaces.set(path, true);
    },
    async close({ path }) {
      namespaces.set(path, false);
    },
    async attach(request) {
      const { name, configPath, attachmentId, netns, ports } = request;
      const network = (await observe({ configPaths: [configPath] })).networks.find(one => one.name === name);
      const ranges = [network?.subnet ?? '/0', ...(network?.subnet6 === undefined ? [] : [network.subnet6])];
      const given = ranges.map((range, index) => `${unknowns.unknown('addresses', index)}/${range.split('/')[1]}`);
      const attachment = {
        network: name,
        interface: request.interface,
        addresses: request.addresses ?? given,
        attachmentId,
        ...(ports && { ports }),
      };
      attachments.set(idOf(request), { ...attachment, netns, present: true });
      return attachment;
    },
    async detach(request) {
      attachments.set(idOf(request), undefined);
    },
    observe,
    async choose(request) {
      const { realm, space } = request;
      const others = [...networks.values()].filter(one => one !== undefined);
      const own = others.find(one => one.realm === realm && one.space === space);
      if (own !== undefined) return { ...own, notes: [] };
      return real.choose({ ...request, besides: others });
    },
  };
}
