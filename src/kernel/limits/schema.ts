/** `spec.resources` of every kind: one schema, whatever the level (spec.md §3, §5). All of it changes in place. */
import * as v from 'valibot';
import { cpuList } from './cpu-list.ts';
import { parseQuantity } from './quantity.ts';

/** A quantity as the user wrote it; `check` says what is wrong with its number. */
function quantity(check: (value: number) => string | undefined) {
  const fault = (given: string | number): string | undefined => {
    const parsed = parseQuantity(given);
    return 'fault' in parsed ? parsed.fault : check(parsed.value);
  };
  return v.pipe(
    v.union([v.string(), v.number()], 'must be a quantity, such as 512Mi, 1.5G or 1000000'),
    v.check(
      given => fault(given) === undefined,
      issue => fault(issue.input) ?? '',
    ),
  );
}

const whole = (value: number) => (Number.isSafeInteger(value) ? undefined : 'must be a whole number below 2^53');
/** A part of a byte is rounded up, as Kubernetes does; nobody means less than one. */
const inBytes = (value: number) => whole(value < 1 ? value : Math.ceil(value));
const bytes = quantity(value => (value <= 0 ? 'must be more than 0' : inBytes(value)));
/** Nothing of it may be used, or nothing of it is protected. */
const bytesOrNone = quantity(value => (value < 0 ? 'must not be negative' : inBytes(value)));
const rate = quantity(value => (value <= 0 ? 'must be more than 0 a second' : inBytes(value)));
const count = quantity(value => (value < 1 ? 'must be at least 1' : whole(value)));

/** The kernel gives out processor time in periods of 100 ms, and no less than 1 ms of each. */
export const LEAST_CPUS = 0.01;
const cpus = quantity(value =>
  value < LEAST_CPUS ? 'must be at least 0.01 of a CPU (10m)' : value > 8192 ? 'is more than any host has' : undefined,
);

const weight = v.pipe(
  v.number('must be a whole number from 1 to 10000'),
  v.integer('must be a whole number from 1 to 10000'),
  v.minValue(1, 'must be from 1 to 10000'),
  v.maxValue(10_000, 'must be from 1 to 10000'),
);

const cpuset = v.pipe(
  v.union([v.string(), v.number()]),
  v.check(text => cpuList(String(text)) !== undefined, 'must be a list of CPUs, such as "0", "0-3" or "0,2-3"'),
);

const device = v.pipe(
  v.strictObject({
    /** A whole disk: the kernel limits no partitions. */
    path: v.pipe(v.string(), v.regex(/^\/dev\/(?!(.*\/)?\.\.(\/|$))[^\0]+$/, 'must be a device such as /dev/vda')),
    readBps: v.exactOptional(rate),
    writeBps: v.exactOptional(rate),
    readIops: v.exactOptional(rate),
    writeIops: v.exactOptional(rate),
  }),
  v.check(
    ({ path: _, ...rates }) => Object.keys(rates).length > 0,
    'must say at least one of readBps, writeBps, readIops, writeIops',
  ),
);

const devices = v.pipe(
  v.array(device),
  v.check(all => new Set(all.map(({ path }) => path)).size === all.length, 'names a device twice'),
);

/** `2Mi: 64Mi`: of pages of that size so much. */
const hugepages = v.pipe(
  v.record(v.string(), bytesOrNone),
  v.check(
    all => Object.keys(all).every(size => 'value' in parseQuantity(size)),
    'must name sizes of pages, such as 2Mi or 1Gi',
  ),
  v.check(all => {
    const sizes = Object.keys(all).map(size => JSON.stringify(parseQuantity(size)));
    return new Set(sizes).size === sizes.length;
  }, 'names a size of pages twice'),
);

export const resourcesSchema = v.pipe(
  v.strictObject({
    cpu: v.exactOptional(
      v.strictObject({
        /** So many CPUs: cpu.max. */
        limit: v.exactOptional(cpus),
        /** The share where CPUs are scarce, 100 where it is not said: cpu.weight. */
        weight: v.exactOptional(weight),
        /** These CPUs alone: cpuset.cpus. */
        cpuset: v.exactOptional(cpuset),
      }),
    ),
    memory: v.exactOptional(
      v.strictObject({
        /** What goes over it is killed: memory.max. */
        limit: v.exactOptional(bytes),
        /** What goes over it is slowed down, and has to give back: memory.high. */
        high: v.exactOptional(bytes),
        /** So much is not taken away while others have more than theirs: memory.low. */
        reservation: v.exactOptional(bytesOrNone),
        /** Besides the limit, on disk: memory.swap.max. */
        swap: v.exactOptional(bytesOrNone),
      }),
    ),
    io: v.exactOptional(
      v.strictObject({
        /** io.weight. */
        weight: v.exactOptional(weight),
        /** io.max. */
        devices: v.exactOptional(devices),
      }),
    ),
    /** Processes and threads: pids.max. */
    pids: v.exactOptional(v.strictObject({ limit: v.exactOptional(count) })),
    hugepages: v.exactOptional(hugepages),
  }),
  v.metadata({ kuke: { change: 'in-place' } }),
);

/** As a field of a kind's spec. */
export const resources = v.exactOptional(resourcesSchema);

export type Resources = v.InferOutput<typeof resourcesSchema>;
