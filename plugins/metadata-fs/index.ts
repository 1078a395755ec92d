/** metadata-fs: manifests with their status as files below the run path, and the lock on them (spec.md §2). */
import { definePlugin } from 'kuke/plugin';
import { makeStore } from './store.ts';

export default definePlugin({
  name: 'metadata-fs',
  version: '0.1.0',
  provides: { backends: ['store'] },
  setup(kernel) {
    const { runPath } = kernel.settings;
    const folders = { runPath, logFolder: '/var/log/kukeon', lockFolder: '/run/kukeon' };
    kernel.backend('store', () => makeStore(folders));
    kernel.hook('doctor', async ({ findings, claims }) => {
      findings.push(...(await (await import('./doctor.ts')).storeFindings(folders, claims)));
    });
  },
});
