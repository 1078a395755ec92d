/** One server, by all the names that people have for it. */
const dockerHub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

export const serverOf = (name: string): string => (dockerHub.has(name) ? 'docker.io' : name.toLowerCase());
