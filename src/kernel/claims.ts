/** What of the host belongs to the resources there are: what carries the installation's mark and is not among it is left over. */
import { asKukeError } from './errors.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import type { Kernel } from './registry.ts';
import { describe } from './resource.ts';
import { hasRevisions, revisionsFile } from './revisions/revision.ts';
import type { ResourceTree } from './tree.ts';

export interface Claims {
  /** containerd namespaces. */
  namespaces: string[];
  /** `<namespace>/<id>` */
  containers: string[];
  /** Names of networks. */
  networks: string[];
  /** Paths of network namespaces. */
  netns: string[];
  /** What the ids of attachments begin with. */
  attachments: string[];
  /** Files and folders below `<run path>/.kuke`. */
  files: string[];
  /** Of every resource, its names: `main/default/blog`. */
  places: string[];
}

export interface Claimed {
  claims: Claims;
  /** Why something may be a resource's although nobody claims it; absent: it is nobody's. */
  doubt?: string;
}

/** Where a manifest cannot be read, or a kind does not say what is its, nothing may be taken for left over. */
export async function claimsOf(kernel: Kernel, tree: ResourceTree, observe: ObserveContext): Promise<Claimed> {
  const claims: Claims = {
    namespaces: [],
    containers: [],
    networks: [],
    netns: [],
    attachments: [],
    files: [],
    places: [],
  };
  const doubts = tree.problems.map(({ path }) => `${path} cannot be read, and it may be of that`);
  for (const resource of tree.all()) {
    claims.places.push(resource.ref.path.join('/'));
    if (hasRevisions(kernel.kinds.get(resource.ref.kind))) claims.files.push(revisionsFile(resource.ref));
    const own = await claimedBy(kernel, observe, resource)?.catch((thrown): Partial<Claims> => {
      // Its realm's manifest is gone, say.
      doubts.push(`nobody knows what is of ${describe(resource.ref)}, and it may be: ${asKukeError(thrown).fault}`);
      return {};
    });
    if (own === undefined) doubts.push(`nobody knows what is of the kind ${resource.ref.kind}, and it may be`);
    for (const [sort, list] of Object.entries(own ?? {})) claims[sort as keyof Claims].push(...list);
  }
  const [doubt] = doubts;
  return { claims, ...(doubt !== undefined && { doubt }) };
}

function claimedBy(kernel: Kernel, observe: ObserveContext, resource: Resource): Promise<Partial<Claims>> | undefined {
  return kernel.kinds.lifecycle(resource.ref.kind).claims?.(observe, resource);
}
