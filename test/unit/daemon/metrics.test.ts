/** Metrics as Prometheus reads them. */
import { describe, expect, test } from 'bun:test';
import { makeRegistry } from '../../../src/daemon/metrics/exposition.ts';
import { makeMetricsPort } from '../../../src/daemon/metrics/loopback.ts';
import { makeMetrics } from '../../../src/daemon/metrics/metrics.ts';
import { traced } from '../../../src/kernel/trace.ts';
import { kernelOnFakes } from '../kernel/kernel-on-fakes.ts';

describe('the text format', () => {
  test('counters, gauges, what others count', () => {
    const registry = makeRegistry();
    const events = registry.counter('events_total', 'What happened\\,\nby kind');
    events.add({ kind: 'a "b"\\\n' });
    events.add({ kind: 'a "b"\\\n' }, 2);
    const cells = registry.gauge('cells', 'Cells');
    cells.set(3, { state: 'Ready' });
    cells.clear();
    cells.set(4);
    registry.counted('cpu_total', 'Time').set(1.5);
    expect(registry.text()).toBe(
      [
        '# HELP events_total What happened\\\\,\\nby kind',
        '# TYPE events_total counter',
        'events_total{kind="a \\"b\\"\\\\\\n"} 3',
        '# HELP cells Cells',
        '# TYPE cells gauge',
        'cells 4',
        '# HELP cpu_total Time',
        '# TYPE cpu_total counter',
        'cpu_total 1.5',
        '',
      ].join('\n'),
    );
  });

  test('a histogram’s buckets count what lies below them', () => {
    const registry = makeRegistry();
    const took = registry.histogram('took_seconds', 'Time', [0.1, 1]);
    for (const value of [0.1, 0.5, 7]) took.observe(value, { step: 'x' });
    expect(registry.text().split('\n').slice(2)).toEqual([
      'took_seconds_bucket{step="x",le="0.1"} 1',
      'took_seconds_bucket{step="x",le="1"} 2',
      'took_seconds_bucket{step="x",le="+Inf"} 3',
      'took_seconds_sum{step="x"} 7.6',
      'took_seconds_count{step="x"} 3',
      '',
    ]);
  });
});

describe('what kukeond counts', () => {
  test('operations, waits for the lock, sweeps, events, requests', async () => {
    const metrics = makeMetrics('1.2.3', () => Promise.reject(new Error('nothing is set up')));
    await traced('operation', 'runtime.start', async () => {});
    traced('operation', 'look: runtime.start', () => {});
    traced('command', 'lock', () => {});
    traced('command', 'sweep', () => {});
    metrics.heard({ what: 'restarted', members: ['a', 'b'] });
    metrics.heard({ what: 'settled', members: [] });
    metrics.serverIs(() => ({
      connections: 2,
      requests: 1,
      watchers: 0,
      answered: new Map([
        ['GET /v1beta1/cells 200', 7],
        ['none 404', 2],
      ]),
      seconds: 0.5,
    }));
    const text = await metrics.text();
    for (const line of [
      'kuke_operation_duration_seconds_count{operation="runtime.start"} 1',
      'kuke_lock_wait_seconds_count 1',
      'kuke_sweep_duration_seconds_count 1',
      'kuke_events_total{what="restarted"} 1',
      'kuke_container_restarts_total 2',
      'kuke_api_requests_total{method="GET",route="/v1beta1/cells",status="200"} 7',
      'kuke_api_requests_total{method="",route="none",status="404"} 2',
      'kuke_api_connections 2',
    ])
      expect(text).toContain(`\n${line}\n`);
    expect(text).toMatch(/^process_resident_memory_bytes \d{7,}$/m);
    expect(text).not.toContain('look:');
    metrics.end();
  });
});

test('all looks at the cells are by one kernel; one that could not be opened is tried again', async () => {
  const on = await kernelOnFakes();
  await on.init();
  let opened = 0;
  const metrics = makeMetrics('1.2.3', async () => {
    opened++;
    if (opened === 1) throw new Error('not yet');
    return on.kernel;
  });
  for (let look = 0; look < 3; look++) await metrics.text();
  expect(opened).toBe(2);
  metrics.end();
});

describe('the loopback port', () => {
  test('is listened on as the configuration has it, and for metrics alone', async () => {
    const port = makeMetricsPort(async () => 'up 1\n');
    const other = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    expect(() => port.listenOn(other.port)).toThrow();
    other.stop();
    port.listenOn(other.port);
    const at = `http://127.0.0.1:${other.port}`;
    expect(await (await fetch(`${at}/metrics`)).text()).toBe('up 1\n');
    expect((await fetch(`${at}/other`)).status).toBe(404);
    expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(405);
    port.listenOn(undefined);
    expect(fetch(`${at}/metrics`)).rejects.toThrow();
    port.end();
  });
});
