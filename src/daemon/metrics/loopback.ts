/** Metrics on a TCP port of the loopback address, for a Prometheus that reads no Unix sockets: `daemon.metricsPort`. */
import { asFileError } from '../../kernel/file-errors.ts';

export interface MetricsPort {
  /** Undefined: none. Throws where it cannot be listened on; then there is none. */
  listenOn(port: number | undefined): void;
  end(): void;
}

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function makeMetricsPort(text: () => Promise<string>): MetricsPort {
  let server: ReturnType<typeof Bun.serve> | undefined;
  const end = (): void => {
    void server?.stop(true);
    server = undefined;
  };
  return {
    listenOn(port) {
      if (server !== undefined && server.port === port) return;
      end();
      if (port === undefined) return;
      try {
        server = Bun.serve({
          hostname: '127.0.0.1',
          port,
          idleTimeout: 10,
          maxRequestBodySize: 0,
          async fetch(request) {
            const { pathname } = new URL(request.url);
            if (pathname !== '/metrics') return new Response('see /metrics\n', { status: 404 });
            if (!['GET', 'HEAD'].includes(request.method))
              return new Response('GET it\n', { status: 405, headers: { Allow: 'GET, HEAD' } });
            return new Response(await text(), { headers: { 'Content-Type': METRICS_TYPE } });
          },
        });
      } catch (thrown) {
        throw asFileError(thrown);
      }
    },
    end,
  };
}
