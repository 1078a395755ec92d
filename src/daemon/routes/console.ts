/** A whole command line, with the terminal of whoever typed it at the other end: what `kuke` itself speaks (src/daemon/console). */
import type { ServerOptions } from '../server/server-options.ts';
import { type UpgradeRoute, upgradeRoute } from './route.ts';

export const consoleRoute = (serve: NonNullable<ServerOptions['console']>): UpgradeRoute =>
  upgradeRoute({
    method: 'POST',
    path: '/v1beta1/console',
    id: 'console',
    summary: 'run a command line of kuke',
    protocol: 'kuke-console',
    accept: async call => (socket, head) => serve(socket, head, call.peer),
  });
