/** All routes of the API. */
import type { KindRegistry } from '../../kernel/kinds.ts';
import { openApiOf } from '../openapi.ts';
import type { ServerOptions } from '../server/server-options.ts';
import { attachRoute } from './attach.ts';
import { changeRoutes } from './changes.ts';
import { consoleRoute } from './console.ts';
import { eventRoutes } from './events.ts';
import { execRoute } from './exec.ts';
import { hostRoutes } from './host.ts';
import { logRoutes } from './logs.ts';
import { makeRouteTable, type RouteTable } from './match.ts';
import { imageRoutes } from './realm-images.ts';
import { resourceRoutes } from './resources.ts';
import { rolloutRoutes } from './rollouts.ts';
import { type Route, route, type UpgradeRoute } from './route.ts';
import { usageRoutes } from './usage.ts';

export function routesFor(kinds: KindRegistry, version: string, console: ServerOptions['console']): RouteTable {
  const upgrades: UpgradeRoute[] = [execRoute, attachRoute, ...(console === undefined ? [] : [consoleRoute(console)])];
  let text: string | undefined;
  const openApi: Route = route({
    method: 'GET',
    path: '/openapi/v1',
    id: 'openApi',
    summary: 'this API, as an OpenAPI 3.1 document',
    answers: { 200: { what: 'made of the routes and of the schemas of the kinds', schema: { type: 'object' } } },
    async run() {
      text ??= JSON.stringify(openApiOf({ routes, upgrades, kinds, version }));
      return { jsonText: text };
    },
  });
  const routes: Route[] = [
    ...hostRoutes,
    openApi,
    ...resourceRoutes(kinds),
    ...changeRoutes(kinds),
    ...rolloutRoutes(kinds),
    ...eventRoutes,
    ...usageRoutes(kinds),
    ...logRoutes,
    ...imageRoutes,
  ];
  return makeRouteTable(routes, upgrades);
}
