/** All pages that are generated, by their path in the tree. */
import { builtins } from '../../src/builtins.ts';
import { commands } from '../../src/cli/commands.ts';
import { openApiOf } from '../../src/daemon/openapi.ts';
import { routesFor } from '../../src/daemon/routes/table.ts';
import { loadKernel } from '../../src/kernel/registry.ts';
import { apiPage } from './api.ts';
import { cliPage } from './cli.ts';
import { manifestsPage } from './manifests.ts';

export async function referencePages(): Promise<[file: string, text: string][]> {
  const { kinds } = await loadKernel({
    settings: { runPath: '/opt/kukeon', containerdSocket: '/run/containerd/containerd.sock' },
    pluginConfig: {},
    sources: builtins,
    timeLimitMs: 10_000,
    warn: message => console.error(message),
  });
  return [
    ['docs/reference/manifests.md', manifestsPage(kinds)],
    ['docs/reference/cli.md', await cliPage(commands)],
    ['docs/reference/api.md', apiPage(openApiOf({ ...routesFor(kinds, '', () => {}), kinds, version: '' }))],
  ];
}
