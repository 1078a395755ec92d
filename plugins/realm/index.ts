/** Realm: a containerd namespace and a cgroup; a tenant with images, credentials and a ceiling of its own (spec.md §1). */
import {
  askedOf,
  cgroupPath,
  defineKind,
  definePlugin,
  describe,
  type KindDefinition,
  KukeError,
  keyOf,
  type LimitStatus,
  limitStatus,
  nameOf,
  observeCgroup,
  ownId,
  type PlanContext,
  type PluginKernel,
  planCgroup,
  type Resource,
  reserveStatus,
  resources,
} from 'kuke/plugin';
import * as v from 'valibot';
import { registryCredentials, withPaths } from './registry-credentials.ts';

const spec = v.strictObject({
  id: ownId,
  namespace: v.exactOptional(
    v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$/, 'is not a containerd namespace'),
      v.maxLength(76),
      v.metadata({ kuke: { change: 'immutable' } }),
      v.description(
        'containerd namespace that holds its images and containers, of this realm alone; absent: `kukeon-<name>`',
      ),
    ),
  ),
  registryCredentials,
  resources,
});

export type RealmSpec = v.InferOutput<typeof spec>;

const STATES = ['Pending', 'Ready', 'Failed', 'Unknown'] as const;

export interface RealmStatus {
  state: (typeof STATES)[number];
  reason?: string;
  message?: string;
  namespace: string;
  cgroupPath: string;
  /** Limits of all that is in it; absent: none. */
  resources?: LimitStatus[];
  /** Limits of all realms together, such as what init left of the host; absent: none. */
  sharedResources?: LimitStatus[];
}

declare module 'kuke/plugin' {
  interface KukeKinds {
    Realm: KindDefinition<RealmSpec & { namespace: string }, RealmStatus>;
  }
}

type Realm = Resource<RealmSpec & { namespace: string }, RealmStatus>;

function realm(kernel: PluginKernel) {
  const namespaces = async () => (await kernel.use('runtime')).namespaces();
  const ensure = async (context: PlanContext, desired: Realm): Promise<void> => {
    const {
      ref,
      spec: { namespace },
    } = desired;
    const other = context.tree
      .all('Realm')
      .find(one => one.spec.namespace === namespace && keyOf(one.ref) !== keyOf(ref));
    if (other !== undefined) {
      throw new KukeError('Conflict', `the containerd namespace ${namespace} is ${describe(other.ref)}'s`, {
        remedy: 'give it another spec.namespace',
      });
    }
    await planCgroup(kernel.use, context, desired);
    const known = await context.once('realm:namespaces', namespaces);
    const taken = known.find(one => one.namespace === namespace);
    if (!taken?.ours) context.plan.add(ref, 'runtime.createNamespace', { namespace });
  };
  return defineKind<RealmSpec & { namespace: string }, RealmStatus>({
    kind: 'Realm',
    plural: 'realms',
    aliases: ['r'],
    defaultName: 'main',
    description: 'a tenant: one containerd namespace and one cgroup',
    spec: v.pipe(
      spec,
      v.transform(given => ({ namespace: '', ...given })),
    ),
    effective: ({ registryCredentials: given, ...rest }, ref) => ({
      ...rest,
      namespace: rest.namespace || `kukeon-${nameOf(ref)}`,
      ...(given && { registryCredentials: given.map(one => withPaths(one, kernel.settings.runPath)) }),
    }),
    states: STATES,
    columns: [
      { header: 'STATE', value: ({ manifest }) => String(manifest.status?.state ?? 'Pending') },
      { header: 'NAMESPACE', value: ({ manifest }) => String(manifest.status?.namespace ?? '') },
      { header: 'CGROUP', wide: true, value: ({ manifest }) => String(manifest.status?.cgroupPath ?? '') },
    ],
    limits: (_, resource) => [askedOf(resource)],
    lifecycle: {
      plan: ensure,
      // After a reboot the cgroups are gone, and what lives in them must not have to make them.
      planSettle: ensure,
      async planDelete(context, { ref, spec: { namespace } }) {
        // Its cells are gone by now: what is left of ours has lost its manifest.
        const orphans = await (await kernel.use('runtime')).observe({ namespace });
        const ended = orphans.map(({ id }) => context.plan.add(ref, 'runtime.remove', { namespace, id }));
        const removed = context.plan.add(ref, 'runtime.removeNamespace', { namespace }, ended);
        context.plan.add(ref, 'cgroup.remove', { path: cgroupPath(ref) }, [removed]);
      },
      claims: async (_, { spec: { namespace } }) => ({ namespaces: [namespace] }),
      async observe(context, resource) {
        const {
          ref,
          spec: { namespace },
        } = resource;
        const group = await observeCgroup(kernel.use, context, ref);
        const limits = await limitStatus(kernel.use, context, askedOf(resource));
        // A damaged file is doctor's to tell: the realm is as it is.
        const shared = await context.once('reserve', () => reserveStatus(kernel.use)).catch(() => []);
        const known = await context.once('realm:namespaces', namespaces);
        const missing = [
          ...(group?.ours ? [] : [`cgroup ${cgroupPath(ref)}`]),
          ...(known.some(one => one.namespace === namespace && one.ours) ? [] : [`containerd namespace ${namespace}`]),
        ];
        return {
          state: missing.length === 0 ? 'Ready' : 'Failed',
          ...(missing.length > 0 && {
            reason: 'Missing',
            message: `${missing.join(' and ')} not there; apply it again`,
          }),
          namespace,
          cgroupPath: cgroupPath(ref),
          ...limits,
          ...(shared.length > 0 && { sharedResources: shared }),
        };
      },
    },
  });
}

export default definePlugin({
  name: 'realm',
  version: '0.1.0',
  requires: ['backend:store', 'backend:cgroup', 'backend:runtime'],
  provides: { kinds: ['Realm'] },
  setup: kernel => kernel.kind(realm(kernel)),
});
