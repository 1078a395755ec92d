/** Lists of each kind, single resources, and watching both: from the kinds that there are. */

import { KukeError } from '../../kernel/errors.ts';
import type { KindDefinition, KindRegistry, Resource } from '../../kernel/kinds.ts';
import { didYouMean, nameFault } from '../../kernel/names.ts';
import { keyOf, nameOf } from '../../kernel/resource.ts';
import { matchesSelector, type Selector } from '../../kernel/selector.ts';
import { notFound, refuseDamaged } from '../../kernel/tree.ts';
import { bookmark, type Following, follow } from '../revisions/follow.ts';
import { eventLine } from '../revisions/ring.ts';
import type { Snapshot } from '../revisions/view.ts';
import { refTo } from './answer-shapes.ts';
import { flag, labelSelector, name, text } from './query.ts';
import { type Answer, type AnswerShape, type Call, type Query, type Route, route } from './route.ts';

const ROOT = '/v1beta1';

const watching = {
  watch: flag('go on with what changes, a line of JSON each, until the client closes'),
  revision: text('with `watch`: what came after it, in place of what is there now'),
  fresh: flag('look at the host for this answer; without it, what is told may be some milliseconds old'),
};

/** `/v1beta1/realms/:realm/spaces/:space` */
export function pathOfKind(kinds: KindRegistry, { kind, plural }: KindDefinition): string {
  const levels = [...kinds.above(kind), { kind, plural }];
  return ROOT + levels.map(one => `/${one.plural}/:${one.kind.toLowerCase()}`).join('');
}

export function resourceRoutes(kinds: KindRegistry): Route[] {
  return kinds.all().flatMap(kind => {
    const single = pathOfKind(kinds, kind);
    const above = kinds.above(kind.kind).map(one => one.kind.toLowerCase());
    const within = single.slice(0, single.lastIndexOf('/'));
    const title = kind.plural.charAt(0).toUpperCase() + kind.plural.slice(1);
    const answers: Record<number, AnswerShape> = {
      200: {
        what: `the ${kind.plural}; with \`watch\`, lines`,
        schema: {
          type: 'object',
          properties: {
            apiVersion: { const: 'v1beta1' },
            kind: { const: 'List' },
            metadata: { type: 'object', properties: { revision: { type: 'string' } }, required: ['revision'] },
            items: { type: 'array', items: refTo(kind.kind) },
            problems: { type: 'array', items: { type: 'object' } },
          },
          required: ['apiVersion', 'kind', 'metadata', 'items'],
        },
      },
    };
    const flat = route({
      method: 'GET',
      path: `${ROOT}/${kind.plural}`,
      id: `listAll${title}`,
      summary: `${kind.plural} of all scopes, or of those given`,
      query: {
        ...Object.fromEntries(above.map(one => [one, name(`only of this ${one}`)])),
        labelSelector,
        ...watching,
      } as typeof watching & { labelSelector: typeof labelSelector },
      answers,
      streams: ({ watch }) => watch === true,
      run: call => list(call, kind, asPath(above, call.query)),
    });
    const scoped = route({
      method: 'GET',
      path: within as '/',
      id: `list${title}`,
      summary: `${kind.plural} of one ${above.at(-1) ?? 'host'}`,
      query: { labelSelector, ...watching },
      answers,
      streams: ({ watch }) => watch === true,
      run: call =>
        list(
          call,
          kind,
          above.map(one => param(call, one)),
        ),
    });
    const one = route({
      method: 'GET',
      path: single as '/',
      id: `get${kind.kind}`,
      summary: `one ${kind.kind.toLowerCase()}, with its status`,
      query: {
        ...watching,
        until: text('as `watch`, until it is in this state, such as `Ready`, or `deleted`: that line is the last'),
      },
      answers: { 200: { what: 'its manifest, with status; with `watch`, lines', schema: refTo(kind.kind) } },
      streams: ({ watch, until }) => watch === true || until !== undefined,
      run: call =>
        get(
          call,
          kind,
          [...above, kind.kind.toLowerCase()].map(part => param(call, part)),
        ),
    });
    return above.length === 0 ? [flat, one] : [flat, scoped, one];
  });
}

/** Throws Usage for what is no name. */
export function param(call: Pick<Call, 'params'>, part: string): string {
  const given = call.params[part] ?? '';
  const fault = nameFault(given);
  if (fault === undefined) return given;
  throw new KukeError('Usage', `${part}: \`${given.slice(0, 80)}\` ${fault}`, { remedy: 'mend the path', field: part });
}

type Reading = Omit<Call<string, Query>, 'query'> & {
  query: {
    watch: boolean | undefined;
    revision: string | undefined;
    fresh: boolean | undefined;
    until?: string | undefined;
    labelSelector?: Selector | undefined;
  };
};

/** A scope may be named as far down as one likes; what is not named is any. */
type Scope = readonly (string | undefined)[];

const asPath = (above: readonly string[], query: object): Scope =>
  above.map(part => {
    const given: unknown = Reflect.get(query, part);
    return typeof given === 'string' ? given : undefined;
  });

function inScope(scope: Scope): (resource: Resource) => boolean {
  const lower = scope.map(part => part?.toLowerCase());
  return ({ ref }) => lower.every((part, depth) => part === undefined || ref.path[depth]?.toLowerCase() === part);
}

async function list(call: Reading, kind: KindDefinition, scope: Scope): Promise<Answer> {
  const { labelSelector: selector } = call.query;
  const inside = inScope(scope);
  const isWanted = (resource: Resource): boolean =>
    resource.ref.kind === kind.kind &&
    inside(resource) &&
    (selector === undefined || matchesSelector(selector, resource.manifest.metadata.labels ?? {}));
  if (call.query.watch) return watch(call, isWanted);
  const snapshot = await call.daemon.view.now({ isFresh: call.query.fresh === true });
  requireScope(snapshot, await call.daemon.reading(), kind, scope);
  const items = [...snapshot.resources.values()].filter(({ resource }) => isWanted(resource));
  const { problems } = snapshot.tree;
  const metadata = JSON.stringify({ revision: snapshot.revision });
  const told =
    problems.length === 0
      ? ''
      : `,"problems":${JSON.stringify(problems.map(({ path, message }) => ({ path, message })))}`;
  const listed = items.map(({ resource }) => JSON.stringify(resource.manifest)).join(',');
  return { jsonText: `{"apiVersion":"v1beta1","kind":"List","metadata":${metadata},"items":[${listed}]${told}}` };
}

/** A list in what is not there is no empty one. Throws NotFound. */
function requireScope(
  { tree }: Snapshot,
  { kinds }: { kinds: KindRegistry },
  kind: KindDefinition,
  scope: Scope,
): void {
  const above = kinds.above(kind.kind);
  const named = scope.indexOf(undefined);
  const depth = named === -1 ? scope.length : named;
  const last = above[depth - 1];
  if (last === undefined) return;
  const ref = { kind: last.kind, path: scope.slice(0, depth).filter(part => part !== undefined) };
  refuseDamaged(tree, ref, 'itself');
  tree.get(ref);
}

async function get(call: Reading, kind: KindDefinition, path: string[]): Promise<Answer> {
  const ref = { kind: kind.kind, path };
  const key = keyOf(ref);
  const { watch: isWatched, until } = call.query;
  const isLast = until === undefined ? undefined : lastIn(kind, until);
  const snapshot = await call.daemon.view.now({ isFresh: call.query.fresh === true });
  const found = snapshot.resources.get(key);
  // What is not there is not waited for, unless that is what is waited for.
  if (until === undefined ? isWatched : found !== undefined || isGone(until))
    return watch(call, resource => keyOf(resource.ref) === key, isLast);
  if (found !== undefined) {
    const headers = { 'kuke-revision': snapshot.revision };
    return { jsonText: JSON.stringify(found.resource.manifest), headers };
  }
  refuseDamaged(snapshot.tree, ref, 'itself');
  if (kind.embedded === undefined) throw absent(() => snapshot.tree.get(ref), kind, path);
  const parent = { kind: kind.parent ?? '', path: path.slice(0, -1) };
  snapshot.tree.get(parent);
  const siblings = [...snapshot.resources.values()].filter(
    ({ resource }) => resource.ref.kind === kind.kind && inScope(parent.path)(resource),
  );
  const name = path.at(-1) ?? '';
  throw notFound(
    `${kind.kind.toLowerCase()} ${path.join('/')}`,
    name,
    siblings.map(({ resource }) => nameOf(resource.ref)),
  );
}

/** The tree knows it and the snapshot does not: that cannot be; else what the tree says. */
function absent(ask: () => unknown, kind: KindDefinition, path: string[]): unknown {
  try {
    ask();
  } catch (thrown) {
    return thrown;
  }
  return new KukeError('NotFound', `not found${didYouMean(path.at(-1) ?? '', [])}`, {
    resource: `${kind.kind.toLowerCase()} ${path.join('/')}`,
  });
}

const isGone = (until: string | undefined): boolean => until?.toLowerCase() === 'deleted';

/** Whether that is the line with which `until` is so. Throws Usage for a state that none of this kind is ever in. */
function lastIn({ kind, states }: KindDefinition, until: string): Following['isLast'] {
  const wanted = until.toLowerCase();
  const known = [...(states ?? [until]), 'deleted'];
  if (!known.some(one => one.toLowerCase() === wanted)) {
    const near = didYouMean(until, known);
    const message = `query: until: no ${kind.toLowerCase()} is ever \`${until.slice(0, 80)}\`${near}`;
    throw new KukeError('Usage', message, { field: 'until', remedy: `give one of ${known.join(', ')}` });
  }
  return (type, { manifest }) => type === 'DELETED' || String(manifest.status?.state).toLowerCase() === wanted;
}

async function watch(
  call: Reading,
  isWanted: (resource: Resource) => boolean,
  isLast: Following['isLast'] = () => false,
): Promise<Answer> {
  const { daemon, query, signal } = call;
  const { view } = daemon;
  // Also who resumes has to be told of what has changed while nobody looked.
  const snapshot = await view.now();
  const from = query.revision === undefined ? undefined : view.ring.read(query.revision);
  const lines = call.lines();
  const now = view.ring.read(snapshot.revision);
  if (from === undefined) {
    let isThere = false;
    for (const { resource } of snapshot.resources.values()) {
      if (!isWanted(resource)) continue;
      isThere = true;
      if (!lines.write(eventLine('ADDED', snapshot.revision, JSON.stringify(resource.manifest)))) return 'sent';
      await lines.drained();
      if (isLast('ADDED', resource)) return 'sent';
    }
    lines.write(bookmark(snapshot.revision));
    if (!isThere && isGone(query.until)) return 'sent';
  }
  await follow({ view, lines, isWanted, isLast, revision: from ?? now, signal });
  return 'sent';
}
