/** Picks the face, and imports only that one. */
const { main } = await import('./cli/main.ts');
process.exit(
  await main(process.argv.slice(2), {
    version: async () => (await import('../package.json')).version,
    builtins: async () => (await import('./builtins.ts')).builtins,
    sdk: async () => ({ ...(await import('./plugin.ts')) }),
  }),
);

export {};
