/** Picks the face, and imports only that one. */
const { main } = await import('./cli/main.ts');
process.exit(await main(process.argv.slice(2)));

export {};
