/** The images that new containers need: those that are there, and those that are pulled first (docs/images.md). */
import { type Added, asKukeError, KukeError, type PlanContext, type PluginKernel, type Remedy } from 'kuke/plugin';
import type { Cell } from './layout.ts';
import type { ContainerSpec } from './schema.ts';

/** Also of `latest`, which Kubernetes always pulls: an image that was loaded from a file has no registry to ask. */
const DEFAULT_POLICY = 'IfNotPresent';

/** A step for each image that is pulled. Throws ImageNotFound for one that is not there and must not be pulled. */
export async function planPulls(
  kernel: PluginKernel,
  context: PlanContext,
  cell: Cell,
  containers: readonly ContainerSpec[],
  namespace: string,
): Promise<Added<unknown>[]> {
  const pulls: Added<unknown>[] = [];
  for (const [name, users] of Map.groupBy(containers, ({ image }) => image)) {
    const policies = new Set(users.map(({ imagePullPolicy }) => imagePullPolicy ?? DEFAULT_POLICY));
    const isAlways = policies.has('Always');
    const missing = isAlways && policies.size === 1 ? undefined : await missingImage(kernel, namespace, name);
    if (missing !== undefined && policies.has('Never')) {
      const remedy: Remedy = words =>
        `load it: \`${words('kuke image load -i FILE', 'POST .../images/load')}\`; or let it be pulled: imagePullPolicy: IfNotPresent`;
      throw new KukeError(missing.code, missing.message, { ...missing.details, remedy });
    }
    if (missing === undefined && !isAlways) continue;
    const { registryCredentials: credentials = [] } = context.ancestor(cell.ref, 'Realm').spec;
    const params = { namespace, name, ...(credentials.length > 0 && { credentials }) };
    pulls.push(context.plan.add(cell.ref, 'images.pull', params));
  }
  return pulls;
}

/** Why there is no such image. */
async function missingImage(kernel: PluginKernel, namespace: string, name: string): Promise<KukeError | undefined> {
  try {
    await (await kernel.use('images')).get({ namespace, name });
    return undefined;
  } catch (thrown) {
    const error = asKukeError(thrown);
    if (error.code === 'ImageNotFound') return error;
    throw error;
  }
}
