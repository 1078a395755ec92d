/** Picks the face, and imports only that one: a CNI plugin when a runtime calls it, or when it is called by a plugin's name; kukeond; else kuke. */
const called = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
const { isBuiltIn } = await import('./cni/plugins/registry.ts');
if (process.env.CNI_COMMAND || isBuiltIn(called)) {
  const { face } = await import('./cni/plugins/face.ts');
  process.exit(await face(process.env, called));
}
const words = [...(called === 'kukeond' ? ['daemon', 'serve'] : []), ...process.argv.slice(2)];
tellJit(words);
const { mayBeForDaemon } = await import('./cli/console/where.ts');
if (mayBeForDaemon(words, process.env)) {
  const { handOver } = await import('./cli/console/hand-over.ts');
  const status = await handOver(words, process.env);
  if (status !== undefined) process.exit(status);
}
const { main } = await import('./cli/main.ts');
process.exit(
  await main(words, {
    version: async () => (await import('../package.json')).version,
    builtins: async () => (await import('./builtins.ts')).builtins,
    sdk: async () => ({ ...(await import('./plugin.ts')) }),
    cniPlugins: async () => {
      const { installPlugins, uninstallPlugins } = await import('./cni/plugin-installation.ts');
      const { foreseeInstall, foreseeUninstall } = await import('./cni/plugin-forecast.ts');
      return { install: installPlugins, uninstall: uninstallPlugins, foreseeInstall, foreseeUninstall };
    },
    streams: async () => ({
      ...(await import('./host/terminal-mode.ts')),
      ...(await import('./host/byte-flow.ts')),
      ...(await import('./host/readable.ts')),
    }),
    fileTrees: () => import('./host/file-tree/places.ts'),
    logs: () => import('./host/rotated-log/read.ts'),
    pipes: async () => ({ ...(await import('./host/byte-flow.ts')), ...(await import('./host/pipe.ts')) }),
    daemon: async () => {
      const daemon = await import('./daemon/index.ts');
      return {
        ...daemon,
        async serveDaemon({ answersCni, ...rest }) {
          const cni = answersCni && (await import('./cni/plugins/handed-over.ts')).cniCalls;
          await daemon.serveDaemon({ ...rest, ...(cni && { cni }) });
        },
      };
    },
    writeStreamed: async () => (await import('./host/streamed-file.ts')).writeStreamed,
    openLogFile: async () => (await import('./host/log-file.ts')).openLogFile,
    changeableByOthers: async () => (await import('./host/trusted-path.ts')).changeableByOthers,
  }),
);

/**
 * Most of what a command runs, it runs a few dozen times: enough for the JIT to compile it, in threads of its own, which costs as much
 * processor time as all the rest (docs/benchmarks.md). So the program starts with a JIT that waits (build.ts), and what goes on for long, or
 * handles megabytes, has it work as usual.
 */
function tellJit(words: readonly string[]): void {
  const brief =
    /^(?:apply|create|delete|describe|diff|doctor|get|init|kill|rollout|run|set|start|stop|tree|uninstall)$/;
  if (!words.some(word => brief.test(word))) Bun.unsafe.setJITPolicy(1);
}

export {};
