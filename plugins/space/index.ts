/** Space: one CNI network, which is one bridge and one range of addresses, and a cgroup (spec.md §1, §4). */
import {
  type AskedOfGroup,
  askedOf,
  cgroupPath,
  checkLimits,
  defineKind,
  definePlugin,
  entriesOf,
  isIpv6Range,
  type KindDefinition,
  KukeError,
  type LimitStatus,
  limitStatus,
  mountClashes,
  type NetworkDefinition,
  nameOf,
  networkDefinition,
  notesOnInheritors,
  type ObserveContext,
  observeAttachments,
  observeCgroup,
  observeNetwork,
  ownId,
  type PlanContext,
  type PluginKernel,
  parentId,
  planCgroup,
  type Resource,
  type ResourceOf,
  rangeFault,
  resources,
} from 'kuke/plugin';
import * as v from 'valibot';

const fixed = { kuke: { change: 'immutable' } } as const;

const range = v.pipe(
  v.string(),
  v.check(
    text => rangeFault(text) === undefined,
    issue => rangeFault(issue.input) ?? '',
  ),
);

/** One of each family at most. */
const ranges = v.pipe(
  v.array(range),
  v.minLength(1, 'must name a range'),
  v.check(
    list => list.filter(isIpv6Range).length <= 1 && list.filter(one => !isIpv6Range(one)).length <= 1,
    'may hold one IPv4 range and one IPv6 range',
  ),
  v.metadata(fixed),
  v.description('ranges that its cells get addresses from: an IPv4 and an IPv6 range, or either'),
);

type ContainerSpec = ResourceOf<'Container'>['spec'];

/** What containers take from their space where they say nothing of it themselves. */
const INHERITED = [
  'resources',
  'user',
  'capabilities',
  'readOnlyRootFilesystem',
  'securityOpts',
  'tmpfs',
] as const satisfies (keyof ContainerSpec)[];

export type ContainerDefaults = Pick<ContainerSpec, (typeof INHERITED)[number]>;

/** As the Container kind's own schema has them. */
function containerDefaults(container: v.GenericSchema): v.GenericSchema<unknown, ContainerDefaults> {
  const entries = entriesOf(container) ?? {};
  const inherited = INHERITED.flatMap(name => (entries[name] ? [[name, entries[name]] as const] : []));
  return v.strictObject(Object.fromEntries(inherited)) as v.GenericSchema<unknown, ContainerDefaults>;
}

const mountFaults = ({ defaults }: SpaceSpec) =>
  mountClashes(
    (defaults?.container?.tmpfs ?? []).map(({ path }, i) => ({ path, at: `spec.defaults.container.tmpfs[${i}].path` })),
  );

const spaceSchema = (container: v.GenericSchema) =>
  v.strictObject({
    id: ownId,
    realmId: parentId('realm', 'main'),
    cniConfigPath: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^\/(?!.*\/\.\.?(\/|$))/, 'must be an absolute path without . and ..'),
        v.metadata(fixed),
        v.description('folder that its conflist is written into, for other container runtimes as well'),
      ),
      '/etc/cni/net.d',
    ),
    network: v.exactOptional(
      v.pipe(
        v.strictObject({
          subnet: v.exactOptional(
            v.pipe(
              range,
              v.check(text => !isIpv6Range(text), 'must be an IPv4 range; `subnets` takes both'),
              v.metadata(fixed),
              v.description(
                'IPv4 range that its cells get addresses from, such as 10.90.0.0/20; absent: the next free one',
              ),
            ),
          ),
          subnets: v.exactOptional(ranges),
          ipv6: v.exactOptional(
            v.pipe(
              v.boolean(),
              v.metadata(fixed),
              v.description(
                'gives its cells IPv6 addresses as well, of a /64 of unique local addresses (RFC 4193); absent: IPv4 alone',
              ),
            ),
          ),
        }),
        v.check(
          ({ subnet, subnets }) => subnet === undefined || subnets === undefined,
          'say `subnet` or `subnets`, not both',
        ),
        v.check(
          ({ ipv6, subnets = [] }) => ipv6 !== false || !subnets.some(isIpv6Range),
          '`ipv6: false`, and yet `subnets` has an IPv6 range',
        ),
        v.description('says which addresses its cells get; absent: those of the next free IPv4 range'),
      ),
    ),
    defaults: v.exactOptional(
      v.pipe(
        v.strictObject({
          container: v.exactOptional(
            v.pipe(
              containerDefaults(container),
              v.metadata({ kuke: { change: 'recreate' } }),
              v.description(
                'fields that containers in it have; one that a container says itself replaces the default whole',
              ),
            ),
          ),
        }),
        v.description('holds what those in the space take where they say nothing themselves'),
      ),
    ),
    resources,
  });

export type SpaceSpec = v.InferOutput<ReturnType<typeof spaceSchema>>;

const STATES = ['Pending', 'Ready', 'Failed', 'Unknown'] as const;

export interface SpaceStatus {
  state: (typeof STATES)[number];
  reason?: string;
  message?: string;
  /** Absent until there is one. What is recorded here rewrites a conflist that got lost. */
  network?: NetworkDefinition;
  cgroupPath: string;
  /** Limits of all that is in it; absent: none. */
  resources?: LimitStatus[];
}

declare module 'kuke/plugin' {
  interface KukeKinds {
    Space: KindDefinition<SpaceSpec, SpaceStatus>;
  }
}

type Space = Resource<SpaceSpec, SpaceStatus>;

const MEND = 'mend that file; or remove it, then the next command writes it anew';

function space(kernel: PluginKernel) {
  /** What the host has for the space now; undefined: nothing. */
  const networkOnHost = (context: ObserveContext, { ref, spec: { cniConfigPath } }: Space) =>
    observeNetwork(kernel.use, context, cniConfigPath, ref.path);

  /** Whether cells are cut off: on the network, which has no bridge. One without a namespace is not: a reboot has stopped it. */
  const lacksBridge = async (context: ObserveContext, desired: Space): Promise<boolean> => {
    const there = await networkOnHost(context, desired);
    if (there === undefined || there.bridgeExists) return false;
    const { attachments, namespaces } = await observeAttachments(kernel.use, context);
    return attachments.some(({ network, netns }) => network === there.name && namespaces.includes(netns));
  };

  const planNetwork = async (context: PlanContext, desired: Space): Promise<void> => {
    const there = await networkOnHost(context, desired);
    if (there?.damaged !== undefined) {
      // What is on its bridge is kept apart all the same.
      if (there.enforced) throw new KukeError('Conflict', there.damaged, { remedy: MEND });
      context.plan.add(desired.ref, 'network.define', networkDefinition(there));
      return;
    }
    if (there?.enforced && !there.surplus) return;
    const { subnet, subnets = subnet === undefined ? [] : [subnet], ipv6 } = desired.spec.network ?? {};
    const recorded = desired.manifest.status?.network;
    const [realm = '', name = ''] = desired.ref.path;
    const { notes, ...definition } = await (await kernel.use('network')).choose({
      realm,
      space: name,
      configPath: desired.spec.cniConfigPath,
      subnets,
      ...(ipv6 !== undefined && { ipv6 }),
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
    spec: spaceSchema(kernel.schema('Container')),
    states: STATES,
    columns: [
      { header: 'STATE', value: ({ manifest }) => String(manifest.status?.state ?? 'Pending') },
      { header: 'SUBNET', value: resource => networkOf(resource)?.subnet ?? '' },
      { header: 'SUBNET6', wide: true, value: resource => networkOf(resource)?.subnet6 ?? '' },
      { header: 'BRIDGE', value: resource => networkOf(resource)?.bridge ?? '' },
      { header: 'NETWORK', wide: true, value: resource => networkOf(resource)?.name ?? '' },
      { header: 'CGROUP', wide: true, value: ({ manifest }) => String(manifest.status?.cgroupPath ?? '') },
    ],
    validate: mountFaults,
    limits: (_, resource) => [askedOf(resource), askedOfDefaults(resource)],
    lifecycle: {
      async plan(context, desired, stored) {
        await planCgroup(kernel.use, context, desired);
        await checkDefaults(kernel, context, desired);
        if (context.options.verb === 'limit') return;
        const status = stored?.manifest.status;
        await planNetwork(context, { ...desired, manifest: { ...desired.manifest, ...(status && { status }) } });
      },
      /** Someone flushed the rules, the conflist got lost, or the host rebooted: isolation does not wait for an apply. */
      async planSettle(context, resource) {
        await planCgroup(kernel.use, context, resource);
        if (resource.manifest.status?.network !== undefined) await planNetwork(context, resource);
      },
      async planDelete(context, resource) {
        const there = (await networkOnHost(context, resource)) ?? resource.manifest.status?.network;
        const {
          ref,
          spec: { cniConfigPath },
        } = resource;
        const removed =
          there && context.plan.add(ref, 'network.remove', { name: there.name, configPath: cniConfigPath });
        context.plan.add(ref, 'cgroup.remove', { path: cgroupPath(ref) }, [removed]);
      },
      async claims(context, resource) {
        const networks = [await networkOnHost(context, resource), resource.manifest.status?.network];
        return { networks: networks.flatMap(one => (one === undefined ? [] : [one.name])) };
      },
      async observe(context, resource) {
        const { ref } = resource;
        const group = await observeCgroup(kernel.use, context, ref);
        const limits = await limitStatus(kernel.use, context, askedOf(resource));
        const there = await networkOnHost(context, resource);
        const recorded = resource.manifest.status?.network;
        const network = there ? networkDefinition(there) : recorded;
        const isCutOff = await lacksBridge(context, resource);
        const faults = [
          ...(group?.ours ? [] : [`cgroup ${cgroupPath(ref)} is not there`]),
          ...(there?.damaged === undefined ? [] : [there.damaged]),
          ...(there ? [] : [`the conflist of network ${recorded?.name ?? nameOf(ref)} is not there`]),
          ...(isCutOff ? [`bridge ${network?.bridge} of its cells is not there`] : []),
          ...(there && !there.enforced
            ? [`the rules that isolate ${there.bridge}, or publish ports of its cells, are not in the kernel`]
            : []),
        ];
        const again = isCutOff ? 'apply the space and its cells again' : 'apply the space again';
        const remedy = there?.damaged === undefined ? again : MEND;
        return {
          state: faults.length === 0 ? 'Ready' : 'Failed',
          ...(faults.length > 0 && { reason: 'Missing', message: `${faults.join(', and ')}; ${remedy}` }),
          ...(network && { network }),
          cgroupPath: cgroupPath(ref),
          ...limits,
        };
      },
    },
  });
}

/** What a container of the space has if it says nothing else. It is asked of a group whose name is nobody's. */
const askedOfDefaults = ({ ref, spec: { defaults } }: Space): AskedOfGroup => ({
  path: `${cgroupPath(ref)}/a.container`,
  resources: defaults?.container?.resources,
  field: 'spec.defaults.container.resources',
  isIdle: true,
});

/** What makes no sense in any container of the space, and those that cannot have it. */
async function checkDefaults(kernel: PluginKernel, context: PlanContext, desired: Space): Promise<void> {
  const defaults = askedOfDefaults(desired);
  if (defaults.resources === undefined) return;
  await checkLimits(kernel.use, context, defaults);
  const notes = await notesOnInheritors(kernel.use, context, desired.ref, defaults, 'a container');
  for (const note of notes) context.note(note);
}

function networkOf(resource: Resource): NetworkDefinition | undefined {
  return (resource.manifest.status as SpaceStatus | undefined)?.network;
}

export default definePlugin({
  name: 'space',
  version: '0.1.0',
  requires: ['kind:Realm', 'kind:Container', 'backend:network'],
  provides: { kinds: ['Space'] },
  setup: kernel => kernel.kind(space(kernel)),
});
