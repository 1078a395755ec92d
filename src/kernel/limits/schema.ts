/** `spec.resources` of every kind: one schema, whatever the level (spec.md §3, §5). All of it changes in place. */
import * as v from 'valibot';
import { cpuList } from './cpu-list.ts';
import { parseQuantity, QUANTITY_PATTERN } from './quantity.ts';

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
    v.metadata({ kuke: { pattern: QUANTITY_PATTERN } }),
  );
}

const whole = (value: number) => (Number.isSafeInteger(value) ? undefined : 'must be a whole number below 2^53');
/** A part of a byte is rounded up, as Kubernetes does; nobody means less than one. */
const inBytes = (value: number) => whole(value < 1 ? value : Math.ceil(value));
const bytes = quantity(value => (value <= 0 ? 'must be more than 0' : inBytes(value)));
/** Nothing of it may be used, or nothing of it is protected. */
const bytesOrNone = quantity(value => (value < 0 ? 'must not be negative' : inBytes(value)));
const rate = quantity(value => (value <= 0 ? 'must be more than 0 a second' : inBytes(value)));
/** What the kernel shows as `max` is one more (blk-throttle.c, UINT_MAX). */
export const MOST_IOPS = 2 ** 32 - 2;
const iops = quantity(value =>
  value <= 0
    ? 'must be more than 0 a second'
    : value > MOST_IOPS
      ? `must be at most ${MOST_IOPS} a second`
      : inBytes(value),
);
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
    path: v.pipe(
      v.string(),
      v.regex(/^\/dev\/(?!(.*\/)?\.\.(\/|$))[^\0]+$/, 'must be a device such as /dev/vda'),
      v.description('a whole disk: the kernel limits no partitions'),
    ),
    readBps: v.exactOptional(v.pipe(rate, v.description('bytes read in a second'))),
    writeBps: v.exactOptional(v.pipe(rate, v.description('bytes written in a second'))),
    readIops: v.exactOptional(v.pipe(iops, v.description('reads in a second'))),
    writeIops: v.exactOptional(v.pipe(iops, v.description('writes in a second'))),
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

const section = <const S extends v.GenericSchema>(schema: S, text: string) =>
  v.exactOptional(v.pipe(schema, v.description(text)));

export const resourcesSchema = v.pipe(
  v.strictObject({
    cpu: section(
      v.strictObject({
        limit: v.exactOptional(v.pipe(cpus, v.description('so many CPUs, from 0.01 (`cpu.max`)'))),
        weight: v.exactOptional(
          v.pipe(
            weight,
            v.description('share where CPUs are scarce, beside its siblings; 100 if nobody says (`cpu.weight`)'),
          ),
        ),
        cpuset: v.exactOptional(v.pipe(cpuset, v.description('these CPUs alone: "0-3,6" (`cpuset.cpus`)'))),
      }),
      'processor time',
    ),
    memory: section(
      v.strictObject({
        limit: v.exactOptional(v.pipe(bytes, v.description('what goes over it is killed (`memory.max`)'))),
        high: v.exactOptional(
          v.pipe(bytes, v.description('what goes over it is slowed down, and has to give back (`memory.high`)')),
        ),
        reservation: v.exactOptional(
          v.pipe(
            bytesOrNone,
            v.description(
              'so much is not taken away while others have more than theirs; those above are given as much (`memory.low`)',
            ),
          ),
        ),
        swap: v.exactOptional(v.pipe(bytesOrNone, v.description('swap, besides the memory (`memory.swap.max`)'))),
      }),
      'memory',
    ),
    io: section(
      v.strictObject({
        weight: v.exactOptional(v.pipe(weight, v.description('share of a busy disk (`io.weight`)'))),
        devices: v.exactOptional(v.pipe(devices, v.description('the most for each disk (`io.max`)'))),
      }),
      'disks',
    ),
    pids: section(
      v.strictObject({
        limit: v.exactOptional(v.pipe(count, v.description('processes and threads (`pids.max`)'))),
      }),
      'processes and threads',
    ),
    hugepages: v.exactOptional(
      v.pipe(hugepages, v.description('of pages of each size so much: `2Mi: 64Mi` (`hugetlb.SIZE.max`)')),
    ),
  }),
  v.metadata({ kuke: { change: 'in-place' } }),
  v.description('limits of all that is in it; they change while it runs'),
);

/** As a field of a kind's spec. */
export const resources = v.exactOptional(resourcesSchema);

export type Resources = v.InferOutput<typeof resourcesSchema>;
