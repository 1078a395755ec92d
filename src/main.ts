/** Picks the face, and imports only that one: a CNI plugin when a runtime calls it, or when it is called by a plugin's name; kukeond; else kuke. */
const called = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
const { isBuiltIn } = await import('./cni/plugins/registry.ts');
if (process.env.CNI_COMMAND || isBuiltIn(called)) {
  const { face } = await import('./cni/plugins/face.ts');
  process.exit(await face(process.env, called));
}
await startLean();
const { main } = await import('./cli/main.ts');
process.exit(
  await main([...(called === 'kukeond' ? ['daemon', 'serve'] : []), ...process.argv.slice(2)], {
    version: async () => (await import('../package.json')).version,
    builtins: async () => (await import('./builtins.ts')).builtins,
    sdk: async () => ({ ...(await import('./plugin.ts')) }),
    cniPlugins: async () => {
      const { installPlugins, uninstallPlugins } = await import('./cni/plugin-installation.ts');
      const { foreseeInstall, foreseeUninstall } = await import('./cni/plugin-forecast.ts');
      return { install: installPlugins, uninstall: uninstallPlugins, foreseeInstall, foreseeUninstall };
    },
    streams: async () => ({ ...(await import('./host/terminal-mode.ts')), ...(await import('./host/byte-flow.ts')) }),
    daemon: () => import('./daemon/index.ts'),
    writeStreamed: async () => (await import('./host/streamed-file.ts')).writeStreamed,
    openLogFile: async () => (await import('./host/log-file.ts')).openLogFile,
    changeableByOthers: async () => (await import('./host/trusted-path.ts')).changeableByOthers,
  }),
);

/**
 * Most of what a command runs, it runs a few dozen times: enough for the JIT to compile it, in threads of its own, which costs as much
 * processor time as all the rest (docs/benchmarks.md). How often code has to run before that is told in the environment, at the start alone;
 * so what looks at many things, or changes them, starts once more (5 ms). Loops over megabytes are compiled still.
 */
async function startLean(): Promise<void> {
  const settings = { BUN_JSC_thresholdForJITAfterWarmUp: '100000', BUN_JSC_thresholdForJITSoon: '100000' };
  const isSet = Object.keys(settings).some(name => process.env[name] !== undefined);
  const long = /^(?:apply|create|delete|describe|diff|doctor|get|init|kill|run|set|start|stop|tree|uninstall)$/;
  if (import.meta.path.startsWith('/$bunfs/') && !isSet && process.argv.slice(2).some(word => long.test(word)))
    (await import('./host/exec-anew.ts')).execAnew(settings);
  // Not for the programs that it runs.
  for (const [name, value] of Object.entries(settings)) if (process.env[name] === value) delete process.env[name];
}

export {};
