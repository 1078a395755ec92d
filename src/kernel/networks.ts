/** The networks of a folder of conflists, asked for once by all that look at them. */
import type { UseBackend } from './backend-operations.ts';
import type { NetworkDefinition, NetworkObservation } from './backends/index.ts';
import type { ObserveContext } from './kinds.ts';

export function observeNetworks(
  use: UseBackend,
  context: ObserveContext,
  configPath: string,
): Promise<NetworkObservation> {
  return context.once(`network:${configPath}`, async () =>
    (await use('network')).observe({
      configPaths: [configPath],
      recorded: recordedIn(context, configPath),
      attachments: false,
    }),
  );
}

/** Everybody's attachments and namespaces; where the context is of one resource, which has them `of` itself alone, only those. */
export function observeAttachments(
  use: UseBackend,
  context: ObserveContext,
  of?: string,
): Promise<Pick<NetworkObservation, 'attachments' | 'namespaces'>> {
  const request = { configPaths: [], ...(context.only && of !== undefined && { attachments: of }) };
  return context.once('network:attachments', async () => (await use('network')).observe(request));
}

/** The network of a space, `main/default`; undefined: there is none. */
export async function observeNetwork(
  use: UseBackend,
  context: ObserveContext,
  configPath: string,
  [realm, space]: readonly string[],
): Promise<NetworkObservation['networks'][number] | undefined> {
  const { networks } = await observeNetworks(use, context, configPath);
  return networks.find(one => one.realm === realm && one.space === space && one.ours);
}

/** The copies that resources keep in their status. */
function recordedIn({ tree }: ObserveContext, configPath: string): NetworkDefinition[] {
  return tree.all().flatMap(({ manifest: { status } }) => {
    const { network } = (status ?? {}) as { network?: Partial<NetworkDefinition> };
    return network?.configPath === configPath ? [network as NetworkDefinition] : [];
  });
}
