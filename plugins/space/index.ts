/** Space: one CNI network, which is one bridge and one range of addresses, and a cgroup (spec.md §1, §4). */
import {
  cgroupPath,
  defineKind,
  definePlugin,
  type KindDefinition,
  type NetworkDefinition,
  nameOf,
  notYet,
  type ObserveContext,
  observeCgroup,
  type PlanContext,
  type PluginKernel,
  planCgroup,
  type Resource,
} from 'kuke/plugin';
import * as v from 'valibot';

const fixed = { kuke: { change: 'immutable' } } as const;

/** Octets up to 255, no bits beyond the prefix, and room for a gateway and a cell. */
function isRange(text: string): boolean {
  const [address = '', length] = text.split('/');
  const octets = address.split('.').map(Number);
  const bits = octets.reduce((value, octet) => value * 256 + octet, 0);
  const prefix = Number(length);
  return octets.every(octet => octet <= 255) && prefix >= 8 && prefix <= 30 && bits % 2 ** (32 - prefix) === 0;
}

const spec = v.strictObject({
  id: v.exactOptional(v.string()),
  realmId: v.exactOptional(v.string()),
  /** Folder of the conflist. */
  cniConfigPath: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\/(?!.*\/\.\.?(\/|$))/, 'must be an absolute path without . and ..'),
      v.metadata(fixed),
    ),
    '/etc/cni/net.d',
  ),
  network: v.exactOptional(
    v.strictObject({
      /** IPv4 range of the space, `10.90.0.0/20`; the next free one when absent. */
      subnet: v.exactOptional(
        v.pipe(
          v.string(),
          v.regex(/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/, 'must be an IPv4 range such as 10.90.0.0/20'),
          v.check(isRange, 'must be an IPv4 range such as 10.90.0.0/20: its first address, and a length from 8 to 30'),
          v.metadata(fixed),
        ),
      ),
    }),
  ),
  defaults: notYet('containers say everything themselves'),
  resources: notYet('no limits are set'),
});

export type SpaceSpec = v.InferOutput<typeof spec>;

export interface SpaceStatus {
  state: 'Pending' | 'Ready' | 'Failed' | 'Unknown';
  reason?: string;
  message?: string;
  /** Absent until there is one. What is recorded here rewrites a conflist that got lost. */
  network?: NetworkDefinition;
  cgroupPath: string;
  notEnforced?: string[];
}

declare module 'kuke/plugin' {
  interface KukeKinds {
    Space: KindDefinition<SpaceSpec, SpaceStatus>;
  }
}

type Space = Resource<SpaceSpec, SpaceStatus>;

function space(kernel: PluginKernel) {
  const observeHost = async (context: ObserveContext, { spec: { cniConfigPath } }: Space) => {
    const network = await kernel.use('network');
    return context.once(`network:${cniConfigPath}`, () => network.observe({ configPaths: [cniConfigPath] }));
  };

  /** What the host has for the space now; undefined: nothing. */
  const observeNetwork = async (context: ObserveContext, desired: Space) => {
    const { networks } = await observeHost(context, desired);
    const [realm, name] = desired.ref.path;
    return networks.find(one => one.realm === realm && one.space === name && one.ours);
  };

  /** Whether cells are cut off: on the network, which has no bridge. One without a namespace is not: a reboot has stopped it. */
  const lacksBridge = async (context: ObserveContext, desired: Space): Promise<boolean> => {
    const there = await observeNetwork(context, desired);
    if (there === undefined || there.bridgeExists) return false;
    const { attachments, namespaces } = await observeHost(context, desired);
    return attachments.some(({ network, netns }) => network === there.name && namespaces.includes(netns));
  };

  const planNetwork = async (context: PlanContext, desired: Space): Promise<void> => {
    const there = await observeNetwork(context, desired);
    if (there?.enforced) return;
    const { subnet } = desired.spec.network ?? {};
    const recorded = desired.manifest.status?.network;
    const [realm = '', name = ''] = desired.ref.path;
    const { notes, ...definition } = await (await kernel.use('network')).choose({
      realm,
      space: name,
      configPath: desired.spec.cniConfigPath,
      ...(subnet && { subnet }),
      ...(recorded && { recorded }),
    });
    for (const note of notes) context.note(note);
    context.plan.add(desired.ref, 'network.define', definition);
  };

  return defineKind<SpaceSpec, SpaceStatus>({
    kind: 'Space',
    plural: 'spaces',
    aliases: ['sp'],
    parent: 'Realm',
    defaultName: 'default',
    description: 'a network: one bridge, one range of addresses; cells of different spaces cannot reach each other',
    spec,
    columns: [
      { header: 'STATE', value: ({ manifest }) => String(manifest.status?.state ?? 'Pending') },
      { header: 'SUBNET', value: resource => networkOf(resource)?.subnet ?? '' },
      { header: 'BRIDGE', value: resource => networkOf(resource)?.bridge ?? '' },
      { header: 'NETWORK', wide: true, value: resource => networkOf(resource)?.name ?? '' },
      { header: 'CGROUP', wide: true, value: ({ manifest }) => String(manifest.status?.cgroupPath ?? '') },
    ],
    lifecycle: {
      async plan(context, desired, stored) {
        await planCgroup(kernel.use, context, desired.ref);
        const status = stored?.manifest.status;
        await planNetwork(context, { ...desired, manifest: { ...desired.manifest, ...(status && { status }) } });
      },
      /** Someone flushed the rules, the conflist got lost, or the host rebooted: isolation does not wait for an apply. */
      async planSettle(context, resource) {
        await planCgroup(kernel.use, context, resource.ref);
        if (resource.manifest.status?.network !== undefined) await planNetwork(context, resource);
      },
      async planDelete(context, resource) {
        const there = (await observeNetwork(context, resource)) ?? resource.manifest.status?.network;
        const {
          ref,
          spec: { cniConfigPath },
        } = resource;
        const removed =
          there && context.plan.add(ref, 'network.remove', { name: there.name, configPath: cniConfigPath });
        context.plan.add(ref, 'cgroup.remove', { path: cgroupPath(ref) }, [removed]);
      },
      async observe(context, resource) {
        const { ref } = resource;
        const group = await observeCgroup(kernel.use, context, ref);
        const there = await observeNetwork(context, resource);
        const recorded = resource.manifest.status?.network;
        const network = there ? definitionOf(there) : recorded;
        const isCutOff = await lacksBridge(context, resource);
        const faults = [
          ...(group?.ours ? [] : [`cgroup ${cgroupPath(ref)} is not there`]),
          ...(there ? [] : [`the conflist of network ${recorded?.name ?? nameOf(ref)} is not there`]),
          ...(isCutOff ? [`bridge ${network?.bridge} of its cells is not there`] : []),
          ...(there && !there.enforced ? [`the rules that isolate ${there.bridge} are not in the kernel`] : []),
        ];
        const remedy = isCutOff ? 'apply the space and its cells again' : 'apply the space again';
        return {
          state: faults.length === 0 ? 'Ready' : 'Failed',
          ...(faults.length > 0 && { reason: 'Missing', message: `${faults.join(', and ')}; ${remedy}` }),
          ...(network && { network }),
          cgroupPath: cgroupPath(ref),
          ...(group && group.missing.length > 0 && { notEnforced: group.missing }),
        };
      },
    },
  });
}

function definitionOf({
  realm,
  space,
  name,
  configPath,
  bridge,
  subnet,
  gateway,
}: NetworkDefinition): NetworkDefinition {
  return { realm, space, name, configPath, bridge, subnet, gateway };
}

function networkOf(resource: Resource): NetworkDefinition | undefined {
  return (resource.manifest.status as SpaceStatus | undefined)?.network;
}

export default definePlugin({
  name: 'space',
  version: '0.1.0',
  requires: ['kind:Realm', 'backend:network'],
  provides: { kinds: ['Space'] },
  setup: kernel => kernel.kind(space(kernel)),
});
