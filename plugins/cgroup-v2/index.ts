/**
 * cgroup-v2: one cgroup for each realm, space, stack and cell, with the controllers handed down, and one for each container; their limits,
 * what they use, and whom want of memory has killed (spec.md §5). `/kukeon` comes with the first realm and stays, empty, until the kernel's
 * uninstall removes it: it costs nothing, and no create races with its removal.
 */
import { definePlugin } from 'kuke/plugin';

export default definePlugin({
  name: 'cgroup-v2',
  version: '0.1.0',
  provides: { backends: ['cgroup'] },
  setup(kernel) {
    kernel.backend('cgroup', async () => (await import('./backend.ts')).cgroupBackend({ instance: kernel.instance }));
    kernel.hook('doctor', async ({ findings }) => {
      findings.push(...(await import('./doctor.ts')).hostFindings());
    });
  },
});
