/** What kukeond counts of itself and of what it does, for Prometheus. */

import { readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { listenToTrace } from '../../kernel/trace.ts';
import { onceWell } from '../once-well.ts';
import type { ServerCounts } from '../server/server-options.ts';
import { makeRegistry } from './exposition.ts';

export interface Metrics {
  /** Something happened to a resource. */
  heard(event: { what: string; members: readonly string[] }): void;
  /** Where requests are counted. */
  serverIs(counts: () => ServerCounts): void;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  end(): void;
}

/** Seconds: from what is done in memory to what waits for a process to end. */
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** `openKernel`: one to read by, all the time. Listens to what the kernel's operations take, from here on. */
export function makeMetrics(version: string, openKernel: () => Promise<Kernel>): Metrics {
  const kernel = onceWell(openKernel);
  const registry = makeRegistry();
  const build = registry.gauge('kuke_build_info', 'Which kukeond this is.');
  const resident = registry.gauge('process_resident_memory_bytes', 'Memory of kukeond itself.');
  const cpu = registry.counted('process_cpu_seconds_total', 'Processor time of kukeond itself.');
  const started = registry.gauge('process_start_time_seconds', 'When kukeond was started, since 1970.');
  const cells = registry.gauge('kuke_cells', 'Cells by the state that was last seen.');
  const restarts = registry.counter('kuke_container_restarts_total', 'Containers that kukeond has started again.');
  const events = registry.counter('kuke_events_total', 'What has happened to cells, by what it was.');
  const operations = registry.histogram('kuke_operation_duration_seconds', 'Steps of plans, by their type.', BUCKETS);
  const waits = registry.histogram('kuke_lock_wait_seconds', 'Until a change had the lock of the run path.', BUCKETS);
  const sweeps = registry.histogram(
    'kuke_sweep_duration_seconds',
    'Looking at all cells for what events missed.',
    BUCKETS,
  );
  const requests = registry.counted('kuke_api_requests_total', 'Requests answered, by method, route and status.');
  const spent = registry.counted('kuke_api_request_seconds_total', 'Time spent on them.');
  const connections = registry.gauge('kuke_api_connections', 'Clients that are connected.');
  const watchers = registry.gauge('kuke_api_watchers', 'Clients that watch.');
  build.set(1, { version, bun: Bun.version });
  started.set(Math.floor(Date.now() / 1000 - process.uptime()));
  let counts: (() => ServerCounts) | undefined;

  const end = listenToTrace((category, name) => {
    const from = performance.now();
    const took = () => (performance.now() - from) / 1000;
    if (category === 'operation' && !name.startsWith('look: '))
      return () => operations.observe(took(), { operation: name });
    if (category === 'command' && name === 'lock') return () => waits.observe(took());
    if (category === 'command' && name === 'sweep') return () => sweeps.observe(took());
    return () => {};
  });

  return {
    heard({ what, members }) {
      events.add({ what });
      if (what === 'restarted') restarts.add({}, Math.max(1, members.length));
    },
    serverIs(of) {
      counts = of;
    },
    async text() {
      resident.set(process.memoryUsage.rss());
      const { user, system } = process.cpuUsage();
      cpu.set((user + system) / 1e6);
      cells.clear();
      for (const [state, count] of await cellStates(kernel)) cells.set(count, { state });
      if (counts !== undefined) {
        const { answered, seconds, ...now } = counts();
        requests.clear();
        for (const [what, count] of answered) {
          // Of what no route is for, `none 404`.
          const [, method = '', route = '', status = ''] = /^(?:(\S+) )?(\S+) (\d+)$/.exec(what) ?? [];
          requests.set(count, { method, route, status });
        }
        spent.set(seconds);
        connections.set(now.connections);
        watchers.set(now.watchers);
      }
      return registry.text();
    },
    end,
  };
}

/** As they are stored: the supervisor keeps that up to date. None where nothing is set up. */
async function cellStates(kernel: () => Promise<Kernel>): Promise<Map<string, number>> {
  const states = new Map<string, number>();
  try {
    for (const { manifest } of (await readTree(await kernel())).all('Cell')) {
      const state = String(manifest.status?.state ?? 'Pending');
      states.set(state, (states.get(state) ?? 0) + 1);
    }
  } catch {} // what is wrong with the files, doctor tells
  return states;
}
