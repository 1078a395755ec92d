/** Which route a request is for. */
import { KukeError } from '../../kernel/errors.ts';
import type { Route, UpgradeRoute } from './route.ts';

export interface Matched<R> {
  route: R;
  params: Record<string, string>;
}

export interface RouteTable {
  routes: readonly Route[];
  upgrades: readonly UpgradeRoute[];
  /** Throws NotFound, MethodNotAllowed, Usage. */
  match(method: string, path: string): Matched<Route>;
  /** Undefined: there is no such upgrade. */
  matchUpgrade(method: string, path: string): Matched<UpgradeRoute> | undefined;
}

export function makeRouteTable(routes: readonly Route[], upgrades: readonly UpgradeRoute[]): RouteTable {
  const bySize = Map.groupBy(routes, ({ path }) => path.split('/').length);
  return {
    routes,
    upgrades,
    match(method, path) {
      const parts = path.split('/');
      const fitting = (bySize.get(parts.length) ?? []).flatMap(one => {
        const params = fit(one.path, parts);
        return params === undefined ? [] : [{ route: one, params }];
      });
      // RFC 9110, 9.3.2: what GET answers, without its content.
      const found = fitting.find(({ route }) => route.method === (method === 'HEAD' ? 'GET' : method));
      if (found !== undefined) return found;
      const upgrade = upgrades.find(one => fit(one.path, parts) !== undefined);
      if (upgrade !== undefined && upgrade.method === method) {
        const remedy = `send \`Connection: Upgrade\` and \`Upgrade: ${upgrade.protocol}\``;
        throw new KukeError('Usage', 'this needs a connection that is upgraded', { remedy });
      }
      if (fitting.length === 0 && upgrade === undefined)
        throw new KukeError('NotFound', `there is no \`${path.slice(0, 200)}\` here`, { remedy: 'see /openapi/v1' });
      const methods = [...fitting.map(({ route }) => route.method), ...(upgrade ? [upgrade.method] : [])];
      const allowed = [...new Set(methods.flatMap(one => (one === 'GET' ? [one, 'HEAD'] : [one])))];
      const remedy = `it takes ${allowed.join(', ')}`;
      throw new KukeError('MethodNotAllowed', `${method} is not for \`${path.slice(0, 200)}\``, { remedy });
    },
    matchUpgrade(method, path) {
      const parts = path.split('/');
      for (const one of upgrades) {
        const params = one.method === method ? fit(one.path, parts) : undefined;
        if (params !== undefined) return { route: one, params };
      }
      return undefined;
    },
  };
}

function fit(pattern: string, parts: readonly string[]): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  if (wanted.length !== parts.length) return undefined;
  const params: Record<string, string> = Object.create(null);
  for (const [index, part] of wanted.entries()) {
    const given = parts[index] ?? '';
    if (part.startsWith(':')) {
      if (given === '') return undefined;
      params[part.slice(1)] = decoded(given);
    } else if (part !== given) return undefined;
  }
  return params;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new KukeError('Usage', `\`${part.slice(0, 80)}\` is not percent-encoded`, { remedy: 'mend the path' });
  }
}
