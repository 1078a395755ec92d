/** `spec.resources` of every kind: one schema, whatever the level (spec.md §3, §5). All of it changes in place. */
import * as v from 'valibot';
import { cpuList } from './cpu-list.ts';
import { parseQuantity, QUANTITY_PATTERN, SUCH } from './quantity.ts';

/** A quantity as the user wrote it; `check` says what is wrong with its number. */
function quantity(check: (value: number) => string | undefined, such = SUCH) {
  const fault = (given: string | number): string | undefined => {
    const parsed = parseQuantity(given, such);
    return 'fault' in parsed ? parsed.fault : check(parsed.value);
  };
  return v.pipe(
    v.union([v.string(), v.number()], `must be a quantity, such as ${such}`),
    v.check(
      given => fault(given) === undefined,
      issue => fault(issue.input) ?? '',
    ),
    v.metadata({ kuke: { pattern: QUANTITY_PATTERN } }),
  );
}

const whole = (value: number) => (Number.isSafeInteger(value) ? undefined : 'must be a whole number below 2^53');
/** A part of a byte is rounded up, as Kubernetes does; nobody means less than one. */
const inBytes = (value: number) =>
  value > 0 && value < 1 ? 'must be at least 1 (`m` stands for thousandths)' : whole(Math.ceil(value));
const bytes = quantity(value => (value <= 0 ? 'must be more than 0' : inBytes(value)));
/** Nothing of it may be used, or nothing of it is protected. */
const bytesOrNone = quantity(value => (value < 0 ? 'must not be negative' : inBytes(value)));
/** The kernel takes no less of a rate, and nobody means less (blk-throttle.c, tg_set_limit). */
const LEAST_RATE = 2;
const ofRate = (value: number) =>
  Math.ceil(value) < LEAST_RATE ? `must be at least ${LEAST_RATE} a second` : inBytes(value);
const rate = quantity(ofRate);
/** What the kernel shows as `max` is one more (blk-throttle.c, UINT_MAX). */
export const MOST_IOPS = 2 ** 32 - 2;
const iops = quantity(value => (value > MOST_IOPS ? `must be at most ${MOST_IOPS} a second` : ofRate(value)));
const count = quantity(value => (value < 1 ? 'must be at least 1' : whole(value)), '100 or 4k');

/** The kernel gives out processor time in periods of 100 ms, and no less than 1 ms of each. */
export const LEAST_CPUS = 0.01;
const cpus = quantity(
  value =>
    value < LEAST_CPUS
      ? 'must be at least 0.01 of a CPU (10m)'
      : value > 8192
        ? 'is more than any host has'
        : undefined,
  '1.5 or 500m',
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
      v.description('device file of a whole disk, such as /dev/vda: the kernel limits no partitions'),
    ),
    readBps: v.exactOptional(
      v.pipe(rate, v.description('the most that it may read from it, in bytes a second: 10Mi; absent: no limit')),
    ),
    writeBps: v.exactOptional(
      v.pipe(rate, v.description('the most that it may write to it, in bytes a second: 10Mi; absent: no limit')),
    ),
    readIops: v.exactOptional(v.pipe(iops, v.description('the most reads from it in a second; absent: no limit'))),
    writeIops: v.exactOptional(v.pipe(iops, v.description('the most writes to it in a second; absent: no limit'))),
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
        limit: v.exactOptional(
          v.pipe(
            cpus,
            v.description('the most that it may use, in CPUs such as 1.5 or 500m; absent: no limit (`cpu.max`)'),
          ),
        ),
        weight: v.exactOptional(
          v.pipe(
            weight,
            v.description('its share beside its siblings where CPUs are scarce; 100 if nobody says (`cpu.weight`)'),
          ),
        ),
        cpuset: v.exactOptional(
          v.pipe(cpuset, v.description('CPUs that it may run on, such as "0-3,6"; absent: all (`cpuset.cpus`)')),
        ),
      }),
      'how much processor time it may take',
    ),
    memory: section(
      v.strictObject({
        limit: v.exactOptional(
          v.pipe(
            bytes,
            v.description(
              'the most bytes that it may use: what goes over them is killed; absent: no limit (`memory.max`)',
            ),
          ),
        ),
        high: v.exactOptional(
          v.pipe(
            bytes,
            v.description(
              'above so many bytes it is slowed down and has to give back; absent: no limit (`memory.high`)',
            ),
          ),
        ),
        reservation: v.exactOptional(
          v.pipe(
            bytesOrNone,
            v.description(
              'so much is not taken away while others have more than theirs; those above are given as much (`memory.low`)',
            ),
          ),
        ),
        swap: v.exactOptional(
          v.pipe(
            bytesOrNone,
            v.description(
              'the most bytes of swap that it may use besides the memory; absent: no limit (`memory.swap.max`)',
            ),
          ),
        ),
      }),
      'how much memory and swap it may take, and what it keeps',
    ),
    io: section(
      v.strictObject({
        weight: v.exactOptional(
          v.pipe(
            weight,
            v.description('its share of a busy disk beside its siblings; 100 if nobody says (`io.weight`)'),
          ),
        ),
        devices: v.exactOptional(v.pipe(devices, v.description('the most it may read and write of a disk (`io.max`)'))),
      }),
      'how much it may read from disks and write to them',
    ),
    pids: section(
      v.strictObject({
        limit: v.exactOptional(
          v.pipe(
            count,
            v.description('the most processes and threads that there may be in it; absent: no limit (`pids.max`)'),
          ),
        ),
      }),
      'how many processes and threads there may be in it',
    ),
    hugepages: v.exactOptional(
      v.pipe(
        hugepages,
        v.description('the most bytes in huge pages of each size; absent: no limit (`hugetlb.SIZE.max`)'),
      ),
    ),
  }),
  v.metadata({
    kuke: {
      change: 'in-place',
      instead: {
        limits: '`memory: { limit: 512Mi }` and `cpu: { limit: 1.5 }`',
        requests: '`memory: { reservation: 64Mi }` and `cpu: { weight: 200 }`',
      },
    },
  }),
  v.description('limits of all that is in it, which can be changed while it runs; absent: those of the levels above'),
);

/** As a field of a kind's spec. */
export const resources = v.exactOptional(resourcesSchema);

export type Resources = v.InferOutput<typeof resourcesSchema>;
