/**
 * Counters, gauges and histograms, and how Prometheus reads them: its text format 0.0.4. Ours, for the library that everybody takes for it
 * (prom-client) brings OpenTelemetry along, and costs 90 ms and more at the start.
 */

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(labels?: Labels, by?: number): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
  /** What was set is forgotten: for values that are read anew each time. */
  clear(): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

export interface Registry {
  counter(name: string, help: string): Counter;
  gauge(name: string, help: string): Gauge;
  /** What somebody else counts, and is read anew each time. */
  counted(name: string, help: string): Gauge;
  /** `buckets`: upper bounds, in order. */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram;
  text(): string;
}

/** Values by their labels, as they are written. */
type Series<T> = Map<string, T>;

export function makeRegistry(): Registry {
  const families: { name: string; help: string; type: string; lines(): string[] }[] = [];
  const simple = (type: 'counter' | 'gauge', name: string, help: string): Series<number> => {
    const series: Series<number> = new Map();
    families.push({ name, help, type, lines: () => [...series].map(([labels, value]) => line(name, labels, value)) });
    return series;
  };
  return {
    counter(name, help) {
      const series = simple('counter', name, help);
      return { add: (labels, by = 1) => series.set(text(labels), (series.get(text(labels)) ?? 0) + by) };
    },
    gauge: (name, help) => settable(simple('gauge', name, help)),
    counted: (name, help) => settable(simple('counter', name, help)),
    histogram(name, help, buckets) {
      const series: Series<{ counts: number[]; sum: number; count: number }> = new Map();
      families.push({
        name,
        help,
        type: 'histogram',
        lines: () =>
          [...series].flatMap(([labels, { counts, sum, count }]) => [
            ...buckets.map((bound, index) =>
              line(`${name}_bucket`, joined(labels, `le="${bound}"`), counts[index] ?? 0),
            ),
            line(`${name}_bucket`, joined(labels, 'le="+Inf"'), count),
            line(`${name}_sum`, labels, sum),
            line(`${name}_count`, labels, count),
          ]),
      });
      return {
        observe(value, labels) {
          const key = text(labels);
          const one = series.get(key) ?? { counts: buckets.map(() => 0), sum: 0, count: 0 };
          // Each bucket counts what those below it do, too.
          one.counts = one.counts.map((count, index) => (value <= (buckets[index] ?? 0) ? count + 1 : count));
          one.sum += value;
          one.count += 1;
          series.set(key, one);
        },
      };
    },
    text: () =>
      families
        .map(({ name, help, type, lines }) => {
          const head = `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
          return `${head}${lines().join('')}`;
        })
        .join(''),
  };
}

const settable = (series: Series<number>): Gauge => ({
  set: (value, labels) => void series.set(text(labels), value),
  clear: () => series.clear(),
});

/** `a="1",b="2"`; empty without labels. */
function text(labels: Labels = {}): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',');
}

const joined = (labels: string, more: string): string => (labels === '' ? more : `${labels},${more}`);

const line = (name: string, labels: string, value: number): string =>
  `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`;
