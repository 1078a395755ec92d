/** Picks the face, and imports only that one: a CNI plugin when a runtime calls it, or when it is called by a plugin's name; else kuke. */
const called = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
const { isBuiltIn } = await import('./cni/plugins/registry.ts');
if (process.env.CNI_COMMAND || isBuiltIn(called)) {
  const { face } = await import('./cni/plugins/face.ts');
  process.exit(await face(process.env, called));
}
const { main } = await import('./cli/main.ts');
process.exit(
  await main(process.argv.slice(2), {
    version: async () => (await import('../package.json')).version,
    builtins: async () => (await import('./builtins.ts')).builtins,
    sdk: async () => ({ ...(await import('./plugin.ts')) }),
    cniPlugins: async () => {
      const { installPlugins, uninstallPlugins } = await import('./cni/plugin-installation.ts');
      return { install: installPlugins, uninstall: uninstallPlugins };
    },
    streams: async () => ({ ...(await import('./host/terminal-mode.ts')), ...(await import('./host/byte-flow.ts')) }),
    openLogFile: async () => (await import('./host/log-file.ts')).openLogFile,
  }),
);

export {};
