/** The API as a part of the daemon: begun once the daemon is the only one, ended before it lets go. */
import { DAEMON_GROUP } from '../../kernel/daemon-places.ts';
import type { StartPart } from '../serve.ts';
import { type RunningServer, type ServerOptions, startServer } from './index.ts';

export type ApiExtras = Pick<ServerOptions, 'audit' | 'events' | 'metrics' | 'usage' | 'console'> & {
  /** Given the running server: what it counts is for the metrics, and others tell it of what they change. */
  started?(server: RunningServer): void;
};

export const startApi =
  ({ started, ...extras }: ApiExtras = {}): StartPart =>
  async ({ places, engine, version, log }) => {
    const server = await startServer({
      socketPath: places.socket,
      group: DAEMON_GROUP,
      engine,
      version,
      log: (level, message, fields) => log[level](message, fields),
      ...extras,
    });
    started?.(server);
    return { name: 'the API', stop: () => server.stop() };
  };
