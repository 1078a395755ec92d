/** What the image commands share: a realm's images, without plan and lock. */

import type { ImagesBackend } from '../kernel/backends/index.ts';
import { KukeError } from '../kernel/errors.ts';
import { readTree } from '../kernel/observe.ts';
import type { Invocation } from './command.ts';
import { openKernel, requireRoot } from './open-kernel.ts';
import { refFor } from './scope.ts';

export async function openImages(
  invocation: Omit<Invocation, 'args'> & { args: Record<string, unknown> },
): Promise<{ images: ImagesBackend; namespace: string }> {
  requireRoot();
  const kernel = await openKernel(invocation, { needs: ['kind:Realm', 'backend:images'] });
  await kernel.instance();
  const kind = kernel.kinds.get('Realm');
  const { realm } = invocation.args;
  const { spec } = (await readTree(kernel)).get(
    refFor(kernel, kind, typeof realm === 'string' ? realm : (kind.defaultName ?? ''), {}),
  );
  if (typeof spec.namespace !== 'string') throw new KukeError('Internal', 'the realm has no namespace');
  return { images: await kernel.use('images'), namespace: spec.namespace };
}
