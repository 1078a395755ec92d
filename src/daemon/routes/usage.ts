/** What each resource has used over the last hour: averages, peaks, and how it went. */
import { CGROUP_ROOT, groupOf } from '../../kernel/cgroups.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { KindRegistry, Resource } from '../../kernel/kinds.ts';
import { embedded, readTree } from '../../kernel/observe.ts';
import { othersTurn } from '../../kernel/others-turn.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { nameOf } from '../../kernel/resource.ts';
import type { Figure, PastUse, UsedBy } from '../../kernel/usage.ts';
import { LAST_MS, type Span } from '../usage/history.ts';
import { shape } from './answer-shapes.ts';
import { duration, name, wholeNumber } from './query.ts';
import { type Route, route } from './route.ts';

const MOST_POINTS = 1000;

type Period = { last: ReturnType<typeof duration>; points: ReturnType<typeof wholeNumber> };

export function usageRoutes(kinds: KindRegistry): Route[] {
  const levels = kinds.all().flatMap(one => (one.embedded ? [] : [one.kind.toLowerCase()]));
  return [
    route({
      method: 'GET',
      path: '/v1beta1/usage',
      id: 'listUsage',
      summary: 'what each resource has used of CPU, memory and io over the last hour',
      query: {
        ...Object.fromEntries(levels.map(one => [one, name(`this ${one}, and what is in it`)])),
        last: duration('so long until now: 5m (1h, which is all that is kept)'),
        points: wholeNumber('in so many equal parts; without it a point each reading', MOST_POINTS, 1),
      } as Period,
      answers: { 200: shape('parents before what is in them; what is not counted is absent', 'Usage') },
      async run({ daemon: { usage, reading }, query }) {
        const { last = LAST_MS, points } = query;
        if (last > LAST_MS)
          throw new KukeError('Usage', 'query: last: 1h is kept', { field: 'last', remedy: 'mend it' });
        if (usage === undefined) throw new KukeError('HostNotReady', 'nobody keeps what is used');
        const resources = within(kinds, await declaredToo(await reading()), query);
        const span = usage.last(last, performance.now(), points);
        const items: PastUse['items'] = [];
        for (const resource of resources) {
          await othersTurn();
          const { kind, path } = resource.ref;
          items.push({ kind, name: nameOf(resource.ref), path: [...path], ...figures(span, groupOf(kinds, resource)) });
        }
        // Once, so that one moment has one name.
        const start = Date.now() - performance.now();
        const wall = (at: number) => new Date(start + at).toISOString();
        const answer: PastUse = {
          ...(span.readings && { from: wall(span.readings.first), to: wall(span.readings.last) }),
          intervalSeconds: usage.intervalMs / 1000,
          times: span.times.map(wall),
          total: figures(span, CGROUP_ROOT),
          items,
        };
        return { json: answer };
      },
    }),
  ];
}

/** Parents before what is in them. */
async function declaredToo(kernel: Kernel): Promise<Resource[]> {
  const tree = await readTree(kernel);
  return kernel.kinds
    .all()
    .flatMap(one => (one.embedded ? embedded(kernel, one.kind, tree.all(one.parent)) : tree.all(one.kind)));
}

/** Those that lie in, or are, what the query names: `{stack: 'blog'}`. */
function within(kinds: KindRegistry, resources: Resource[], query: object): Resource[] {
  const given = Object.entries(query).filter(([, value]) => typeof value === 'string');
  return resources.filter(({ ref: { kind, path } }) => {
    const lineage = [...kinds.above(kind).map(one => one.kind), kind].map(one => one.toLowerCase());
    return given.every(([level, value]) => path[lineage.indexOf(level)]?.toLowerCase() === value.toLowerCase());
  });
}

function figures(span: Span, cgroup: string | undefined): UsedBy {
  if (cgroup === undefined) return {};
  const { cpus, memory, readBps, writeBps } = span.of(cgroup);
  return {
    cgroup,
    ...(cpus && { cpu: { cpus: rounded(cpus, 10_000) } }),
    ...(memory && { memory: { usedBytes: rounded(memory) } }),
    ...(readBps && writeBps && { io: { readBps: rounded(readBps), writeBps: rounded(writeBps) } }),
  };
}

function rounded({ average, peak, points }: Figure, by = 1): Figure {
  const one = (value: number) => Math.round(value * by) / by;
  return { average: one(average), peak: one(peak), points: points.map(value => (value === null ? null : one(value))) };
}
