/** What the image commands share: a realm's images, without plan and lock. */

import type { ImagesBackend, RegistryCredentials } from '../kernel/backends/index.ts';
import { KukeError } from '../kernel/errors.ts';
import { readTree } from '../kernel/observe.ts';
import type { Kernel } from '../kernel/registry.ts';
import type { ResourceRef } from '../kernel/resource.ts';
import type { ResourceTree } from '../kernel/tree.ts';
import { auditOf } from './audit.ts';
import { auditedImages } from './audited-images.ts';
import type { Invocation } from './command.ts';
import { openKernel, requireRoot } from './open-kernel.ts';
import { print } from './output/standard-output.ts';
import { planFlags } from './plan-flags.ts';
import { refFor } from './scope.ts';

export interface RealmImages {
  kernel: Kernel;
  images: ImagesBackend;
  realm: ResourceRef;
  namespace: string;
  credentials: RegistryCredentials[];
  tree: ResourceTree;
}

/** `needs`: besides a realm and its images. */
export async function openImages(
  invocation: Omit<Invocation, 'args'> & { args: Record<string, unknown> },
  needs: string[] = [],
): Promise<RealmImages> {
  requireRoot(invocation);
  const kernel = await openKernel(invocation, { needs: ['kind:Realm', 'backend:images', ...needs] });
  await kernel.instance();
  const tree = await readTree(kernel);
  const { realm, namespace, registryCredentials } = realmIn(kernel, tree, invocation.args);
  // The tree holds what the kind's own schema has parsed.
  const credentials = registryCredentials as RegistryCredentials[];
  const images = await kernel.use('images');
  const audited = kernel.dryRun ? images : auditedImages(images, realm, auditOf(invocation));
  return { kernel, images: audited, realm, namespace, credentials, tree };
}

/** The realm that `--realm` says, else the configuration, else `main`. Throws NotFound. */
export function realmIn(kernel: Kernel, tree: ResourceTree, { realm: given }: Readonly<Record<string, unknown>>) {
  const kind = kernel.kinds.get('Realm');
  const name = typeof given === 'string' ? given : (kernel.settings.scope?.realm ?? kind.defaultName ?? '');
  const realm = refFor(kernel, kind, name, {});
  const { namespace, registryCredentials = [] } = tree.get(realm).spec;
  if (typeof namespace !== 'string') throw new KukeError('Internal', 'the realm has no namespace');
  return { realm, namespace, registryCredentials };
}

/** A line for what was done, or would be; a script says it itself. */
export function printDone(line: string, args: object): void {
  const { isDryRun, isExplained } = planFlags(args);
  if (!isDryRun) print(line);
  else if (!isExplained) print(`${line} (dry run)`);
}

export const realmArg = { realm: { type: 'string', valueHint: 'NAME', description: 'realm (main)' } } as const;
