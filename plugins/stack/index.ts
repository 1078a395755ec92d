/** Stack: a cgroup for a deployment, whose cells live and die together (spec.md §1). */
import {
  cgroupPath,
  defineKind,
  definePlugin,
  type KindDefinition,
  notYet,
  observeCgroup,
  type PlanContext,
  type PluginKernel,
  planCgroup,
  type Resource,
} from 'kuke/plugin';
import * as v from 'valibot';

const spec = v.strictObject({
  id: v.exactOptional(v.string()),
  realmId: v.exactOptional(v.string()),
  spaceId: v.exactOptional(v.string()),
  resources: notYet('no limits are set'),
});

export type StackSpec = v.InferOutput<typeof spec>;

export interface StackStatus {
  state: 'Pending' | 'Ready' | 'Failed' | 'Unknown';
  reason?: string;
  message?: string;
  cgroupPath: string;
  notEnforced?: string[];
}

declare module 'kuke/plugin' {
  interface KukeKinds {
    Stack: KindDefinition<StackSpec, StackStatus>;
  }
}

function stack(kernel: PluginKernel) {
  const ensure = async (context: PlanContext, { ref }: Resource<StackSpec, StackStatus>): Promise<void> => {
    await planCgroup(kernel.use, context, ref);
  };
  return defineKind<StackSpec, StackStatus>({
    kind: 'Stack',
    plural: 'stacks',
    aliases: ['st'],
    parent: 'Space',
    defaultName: 'default',
    description: 'a deployment: cells that live and die together, in one cgroup',
    spec,
    columns: [
      { header: 'STATE', value: ({ manifest }) => String(manifest.status?.state ?? 'Pending') },
      { header: 'CGROUP', value: ({ manifest }) => String(manifest.status?.cgroupPath ?? '') },
    ],
    lifecycle: {
      plan: ensure,
      // After a reboot the cgroups are gone, and what lives in them must not have to make them.
      planSettle: ensure,
      async planDelete(context, { ref }) {
        context.plan.add(ref, 'cgroup.remove', { path: cgroupPath(ref) });
      },
      async observe(context, { ref }) {
        const group = await observeCgroup(kernel.use, context, ref);
        const there = group?.ours === true;
        return {
          state: there ? 'Ready' : 'Failed',
          ...(!there && {
            reason: 'Missing',
            message: `cgroup ${cgroupPath(ref)} is not there; apply the stack again`,
          }),
          cgroupPath: cgroupPath(ref),
          ...(group && group.missing.length > 0 && { notEnforced: group.missing }),
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
