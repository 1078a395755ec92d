/** In which order plugins are loaded: what each requires comes before it. */
import { KukeError } from './errors.ts';
import { didYouMean } from './names.ts';
import type { PluginSource } from './registry.ts';

/** What is needed and all that it requires, requirements first. What lacks something, or requires itself, is given to `failed`. */
export function inOrder(
  sources: PluginSource[],
  needs: string[] | undefined,
  failed: (source: PluginSource, thrown: unknown) => void,
): PluginSource[] {
  const order = new Set<PluginSource>();
  const visit = (source: PluginSource, from: PluginSource[]): void => {
    if (order.has(source)) return;
    const way = [...from, source];
    if (from.includes(source)) {
      const circle = way.slice(way.indexOf(source)).map(({ name }) => name);
      throw new KukeError('PluginFailed', `plugins require each other: ${circle.join(' → ')}`);
    }
    for (const requirement of source.requires) visit(provider(sources, requirement, source.name), way);
    order.add(source);
  };
  for (const need of needs ?? []) visit(provider(sources, need, 'this command'), []);
  for (const source of needs === undefined ? sources : []) {
    try {
      refuseNamesake(source, sources);
      visit(source, []);
    } catch (thrown) {
      failed(source, thrown);
    }
  }
  return [...order];
}

function refuseNamesake(source: PluginSource, sources: PluginSource[]): void {
  const first = sources.find(({ name }) => name === source.name);
  if (first === undefined || first === source) return;
  throw new KukeError('PluginFailed', `there is a plugin of that name already: ${first.origin}`);
}

/** By name, `kind:Cell` or `backend:network`. Throws PluginFailed when there is none. */
export function provider(sources: PluginSource[], requirement: string, by: string): PluginSource {
  const [what, name = ''] = requirement.split(':');
  const found = sources.find(source => {
    if (what === 'kind') return source.provides.kinds?.includes(name);
    if (what === 'backend') return source.provides.backends?.includes(name);
    return source.name === requirement;
  });
  if (found !== undefined) return found;
  const known = sources.flatMap(({ name, provides: { kinds = [], backends = [] } }) => [
    name,
    ...kinds.map(kind => `kind:${kind}`),
    ...backends.map(backend => `backend:${backend}`),
  ]);
  throw new KukeError(
    'PluginFailed',
    `${by} requires ${requirement}, which no plugin provides${didYouMean(requirement, known)}`,
  );
}
