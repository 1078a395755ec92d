import { expect, test } from 'bun:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { changeLimits } from '../../../../src/cli/limits/change.ts';
import { limitChanges } from '../../../../src/cli/limits/flags.ts';
import { resourcesSchema } from '../../../../src/kernel/limits/schema.ts';

const change = (before: unknown, values: Record<string, string>, lists: Record<string, string[]> = {}) =>
  changeLimits(before, limitChanges(values, lists));

test('what is named changes, and all else stays as it is written', () => {
  const before = { cpu: { limit: '500m', weight: 200 }, memory: { limit: '1Gi' }, pids: { limit: 9 } };
  expect(change(before, { cpu: '1.5', memory: 'none', 'memory-high': '512Mi' })).toEqual({
    cpu: { limit: 1.5, weight: 200 },
    memory: { high: '512Mi' },
    pids: { limit: 9 },
  });
  expect(before.memory).toEqual({ limit: '1Gi' });
});

test('a manifest without limits gets some, and one without any left has none', () => {
  expect(change(undefined, { pids: '100', cpuset: '0-1' })).toEqual({ pids: { limit: 100 }, cpu: { cpuset: '0-1' } });
  expect(change({ pids: { limit: 100 } }, { pids: 'none' })).toBeUndefined();
  expect(
    change(undefined, { pids: 'none' }, { device: ['none', '/dev/vda:none'], hugepages: ['2Mi=none'] }),
  ).toBeUndefined();
});

test('the same quantity stays as it is written', () => {
  const before = { memory: { limit: '0.5Gi' }, cpu: { limit: '1500m', cpuset: 0 }, hugepages: { '2048Ki': '4Mi' } };
  const same = { memory: '512Mi', cpu: '1.5', cpuset: '0' };
  expect(change(before, same, { hugepages: ['2Mi=4096Ki'] })).toEqual(before);
  expect(change(before, {}, { hugepages: ['2Mi=8Mi'] })?.hugepages).toEqual({ '2048Ki': '8Mi' });
});

test('a device changes by itself, rate by rate', () => {
  const before = {
    io: {
      weight: 50,
      devices: [
        { path: '/dev/vda', readBps: '1Mi', writeBps: '2Mi' },
        { path: '/dev/vdb', readIops: 5 },
      ],
    },
  };
  expect(change(before, {}, { device: ['/dev/vda:readBps=3Mi', '/dev/vdc:writeIops=7'] })).toEqual({
    io: {
      weight: 50,
      devices: [
        { path: '/dev/vda', readBps: '3Mi', writeBps: '2Mi' },
        { path: '/dev/vdb', readIops: 5 },
        { path: '/dev/vdc', writeIops: 7 },
      ],
    },
  });
  expect(change(before, {}, { device: ['/dev/vda:none', '/dev/vdb:readIops=none'] })).toEqual({ io: { weight: 50 } });
  expect(change({ io: { devices: before.io.devices } }, {}, { device: ['none'] })).toBeUndefined();
});

test('of flags given several times, later ones see what the earlier ones did', () => {
  expect(change(undefined, {}, { device: ['/dev/vda:readBps=1', 'none', '/dev/vda:writeBps=2'] })).toEqual({
    io: { devices: [{ path: '/dev/vda', writeBps: 2 }] },
  });
});

/** A device that one flag takes out and a later one puts in stands at the end. */
const sorted = (resources: { io?: { devices?: { path: string }[] } } | undefined) => {
  const { devices = [] } = resources?.io ?? {};
  return { ...resources, io: { ...resources?.io, devices: devices.toSorted((a, b) => a.path.localeCompare(b.path)) } };
};

test('whatever valid flags are given, the result is valid, and giving them again changes nothing', () => {
  const bytes = fc.constantFrom('512Mi', '1G', '4096', '1.5Gi', 'none');
  const flags = fc.record(
    { memory: bytes, 'memory-swap': bytes, cpu: fc.constantFrom('1', '500m', 'none') },
    { requiredKeys: [] },
  );
  const lists = fc.record({
    device: fc.array(
      fc.constantFrom('none', '/dev/vda:readBps=1Mi', '/dev/vda:none', '/dev/vdb:writeIops=9,readBps=none'),
    ),
    hugepages: fc.array(fc.constantFrom('none', '2Mi=4Mi', '2048Ki=8Mi', '1Gi=none', '1Gi=0')),
  });
  fc.assert(
    fc.property(flags, lists, flags, lists, (first, some, second, others) => {
      const before = change(undefined, first, some);
      if (before !== undefined) v.parse(resourcesSchema, before);
      const after = change(before, second, others);
      if (after !== undefined) v.parse(resourcesSchema, after);
      expect(sorted(change(after, second, others))).toEqual(sorted(after));
    }),
  );
});
