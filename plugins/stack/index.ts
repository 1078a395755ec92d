/** Stack: a cgroup for a deployment, whose cells live and die together (spec.md §1). */
import {
  askedOf,
  cgroupPath,
  defineKind,
  definePlugin,
  type KindDefinition,
  type LimitStatus,
  limitStatus,
  observeCgroup,
  ownId,
  type PlanContext,
  type PluginKernel,
  parentId,
  planCgroup,
  type Resource,
  resources,
} from 'kuke/plugin';
import * as v from 'valibot';

const spec = v.strictObject({
  id: ownId,
  realmId: parentId('realm', 'main'),
  spaceId: parentId('space', 'default'),
  resources,
});

export type StackSpec = v.InferOutput<typeof spec>;

const STATES = ['Pending', 'Ready', 'Failed', 'Unknown'] as const;

export interface StackStatus {
  state: (typeof STATES)[number];
  reason?: string;
  message?: string;
  cgroupPath: string;
  /** Limits of all that is in it; absent: none. */
  resources?: LimitStatus[];
}

declare module 'kuke/plugin' {
  interface KukeKinds {
    Stack: KindDefinition<StackSpec, StackStatus>;
  }
}

function stack(kernel: PluginKernel) {
  const ensure = async (context: PlanContext, desired: Resource<StackSpec, StackStatus>): Promise<void> => {
    await planCgroup(kernel.use, context, desired);
  };
  return defineKind<StackSpec, StackStatus>({
    kind: 'Stack',
    plural: 'stacks',
    aliases: ['st'],
    parent: 'Space',
    defaultName: 'default',
    description: 'a deployment: cells that live and die together, in one cgroup',
    spec,
    states: STATES,
    columns: [
      { header: 'STATE', value: ({ manifest }) => String(manifest.status?.state ?? 'Pending') },
      { header: 'CGROUP', value: ({ manifest }) => String(manifest.status?.cgroupPath ?? '') },
    ],
    limits: (_, resource) => [askedOf(resource)],
    lifecycle: {
      plan: ensure,
      // After a reboot the cgroups are gone, and what lives in them must not have to make them.
      planSettle: ensure,
      async planDelete(context, { ref }) {
        context.plan.add(ref, 'cgroup.remove', { path: cgroupPath(ref) });
      },
      claims: async () => ({}),
      async observe(context, resource) {
        const { ref } = resource;
        const group = await observeCgroup(kernel.use, context, ref);
        const limits = await limitStatus(kernel.use, context, askedOf(resource));
        const there = group?.ours === true;
        return {
          state: there ? 'Ready' : 'Failed',
          ...(!there && {
            reason: 'Missing',
            message: `cgroup ${cgroupPath(ref)} is not there; apply the stack again`,
          }),
          cgroupPath: cgroupPath(ref),
          ...limits,
        };
      },
    },
  });
}

export default definePlugin({
  name: 'stack',
  version: '0.1.0',
  requires: ['kind:Space', 'backend:cgroup'],
  provides: { kinds: ['Stack'] },
  setup: kernel => kernel.kind(stack(kernel)),
});
