/** `spec.resources`: what is refused, and what becomes of the rest. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { faultPath, fieldPath } from '../../../../src/kernel/limits/asked.ts';
import { eachLimit, formatLimit, limitsFrom, limitsOf } from '../../../../src/kernel/limits/limits.ts';
import { type Resources, resourcesSchema } from '../../../../src/kernel/limits/schema.ts';
import { faultsOf } from '../../../../src/kernel/schema.ts';
import { resources } from '../manifests.ts';

const faults = (given: unknown) =>
  faultsOf(resourcesSchema, given, ['spec', 'resources']).map(({ path, message }) => `${path}: ${message}`);

test.each([
  [{ memory: { limit: 0 } }, 'spec.resources.memory.limit: must be more than 0'],
  [{ memory: { limit: -1 } }, 'spec.resources.memory.limit: must be more than 0'],
  [{ memory: { limit: '-1Mi' } }, 'spec.resources.memory.limit: must be a quantity'],
  [{ memory: { limit: 0.5 } }, 'spec.resources.memory.limit: must be at least 1'],
  [{ limits: { memory: '1Gi' } }, 'spec.resources.limits: unknown field; say `memory: { limit: 512Mi }`'],
  [{ cpu: { limit: 'much' } }, 'spec.resources.cpu.limit: must be a quantity, such as 1.5 or 500m'],
  [{ memory: { limit: '100m' } }, 'spec.resources.memory.limit: must be at least 1 (`m` stands for thousandths)'],
  [{ memory: { limit: '1e99' } }, 'spec.resources.memory.limit: must be a whole number below 2^53'],
  [{ memory: { limit: '10Ei' } }, 'spec.resources.memory.limit: must be a whole number below 2^53'],
  [{ memory: { limit: '512mb' } }, 'did you mean 512M?'],
  [{ memory: { limit: true } }, 'spec.resources.memory.limit: must be a quantity'],
  [{ memory: { swap: -1 } }, 'spec.resources.memory.swap: must not be negative'],
  [{ memory: { max: 1 } }, 'spec.resources.memory.max: unknown field'],
  [{ memory: 5 }, 'spec.resources.memory: must be a map'],
  [{ cpu: { limit: 0 } }, 'spec.resources.cpu.limit: must be at least 0.01'],
  [{ cpu: { limit: '1m' } }, 'spec.resources.cpu.limit: must be at least 0.01'],
  [{ cpu: { limit: 10_000 } }, 'spec.resources.cpu.limit: is more than any host has'],
  [{ cpu: { weight: 0 } }, 'spec.resources.cpu.weight: must be from 1 to 10000'],
  [{ cpu: { weight: 1.5 } }, 'spec.resources.cpu.weight: must be a whole number'],
  [{ cpu: { weight: '100' } }, 'spec.resources.cpu.weight: must be a whole number'],
  [{ cpu: { cpuset: '3-1' } }, 'spec.resources.cpu.cpuset: must be a list of CPUs'],
  [{ cpu: { cpuset: '' } }, 'spec.resources.cpu.cpuset: must be a list of CPUs'],
  [{ cpu: { cpuset: -1 } }, 'spec.resources.cpu.cpuset: must be a list of CPUs'],
  [{ pids: { limit: 0 } }, 'spec.resources.pids.limit: must be at least 1'],
  [{ pids: { limit: 1.5 } }, 'spec.resources.pids.limit: must be a whole number'],
  [{ io: { weight: 10_001 } }, 'spec.resources.io.weight: must be from 1 to 10000'],
  [{ io: { devices: [{ path: '/dev/vda' }] } }, 'must say at least one of readBps'],
  [{ io: { devices: [{ path: 'vda', readBps: 4 }] } }, 'spec.resources.io.devices[0].path: must be a device'],
  [{ io: { devices: [{ path: '/dev/../etc', readBps: 4 }] } }, 'io.devices[0].path: must be a device'],
  [{ io: { devices: [{ path: '/dev/vda', readBps: 0 }] } }, 'io.devices[0].readBps: must be at least 2 a second'],
  [
    { io: { devices: [{ path: '/dev/vda', writeBps: '900m' }] } },
    'io.devices[0].writeBps: must be at least 2 a second',
  ],
  [{ io: { devices: [{ path: '/dev/vda', writeIops: 1 }] } }, 'io.devices[0].writeIops: must be at least 2 a second'],
  [
    { io: { devices: [{ path: '/dev/vda', readIops: 2 ** 32 - 1 }] } },
    'spec.resources.io.devices[0].readIops: must be at most 4294967294 a second',
  ],
  [
    { io: { devices: ['4', '5'].map(readBps => ({ path: '/dev/vda', readBps })) } },
    'spec.resources.io.devices: names a device twice',
  ],
  [{ hugepages: { '2Mi': '4Mi', '2048Ki': '2Mi' } }, 'spec.resources.hugepages: names a size of pages twice'],
  [{ hugepages: { huge: '1Mi' } }, 'must name sizes of pages'],
  [{ hugepages: { '2Mi': '-1' } }, 'spec.resources.hugepages.2Mi: must be a quantity'],
])('%j is refused', (given, fault) => {
  expect(faults(given)).toHaveLength(1);
  expect(faults(given)[0]).toContain(fault);
});

test('quantities of all kinds, in plain numbers', () => {
  const given = v.parse(resourcesSchema, {
    cpu: { limit: '1500m', weight: 200, cpuset: '3,0-1' },
    memory: { limit: '1Gi', high: 1e9, reservation: 0, swap: '0' },
    io: { weight: 50, devices: [{ path: '/dev/vda', readBps: '1Mi', writeIops: '1k' }] },
    pids: { limit: '100' },
    hugepages: { '2048Ki': '64Mi' },
  });
  expect(limitsOf(given)).toEqual({
    'cpu.limit': 1.5,
    'cpu.weight': 200,
    'cpu.cpuset': '0-1,3',
    'memory.limit': 2 ** 30,
    'memory.high': 1e9,
    'memory.reservation': 0,
    'memory.swap': 0,
    'io.weight': 50,
    'io.devices': { '/dev/vda': { readBps: 2 ** 20, writeIops: 1000 } },
    'pids.limit': 100,
    hugepages: { '2Mi': 64 * 2 ** 20 },
  });
  expect(limitsOf(undefined)).toEqual({});
});

test('what is no whole number of bytes is rounded up', () => {
  const given = v.parse(resourcesSchema, {
    memory: { limit: '1.1Gi', high: '8.2M', reservation: '0.3Gi' },
    io: { devices: [{ path: '/dev/vda', readBps: '0.1Mi' }] },
  });
  expect(limitsOf(given)).toEqual({
    'memory.limit': 1_181_116_007,
    'memory.high': 8_200_000,
    'memory.reservation': 322_122_548,
    'io.devices': { '/dev/vda': { readBps: 104_858 } },
  });
});

test('values read as people write them', () => {
  expect(formatLimit('memory.limit', 2 ** 29)).toBe('512Mi');
  expect(formatLimit('hugepages.2Mi', 2 ** 26)).toBe('64Mi');
  expect(formatLimit('cpu.limit', 1.5)).toBe('1.5');
  expect(formatLimit('pids.limit', 1024)).toBe('1024');
  expect(formatLimit('io.devices./dev/vda.readBps', 2 ** 20)).toBe('1Mi');
  expect(formatLimit('io.devices./dev/vda.writeIops', 1024)).toBe('1024');
});

test('each has a place in its manifest', () => {
  const asked = {
    resources: {
      io: { devices: ['/dev/a', '/dev/b'].map(path => ({ path, readBps: 4 })) },
      hugepages: { '2048Ki': 0 },
    } satisfies Resources,
    field: 'spec.containers[1].resources',
  };
  expect(fieldPath(asked, 'io.devices./dev/b.readBps')).toBe('spec.containers[1].resources.io.devices[1].readBps');
  expect(faultPath(asked, 'io.devices./dev/b.readBps')).toBe('spec.containers[1].resources.io.devices[1]');
  expect(fieldPath(asked, 'hugepages.2Mi')).toBe('spec.containers[1].resources.hugepages.2048Ki');
  expect(fieldPath(asked, 'memory.limit')).toBe('spec.containers[1].resources.memory.limit');
});

describe('any resources', () => {
  const given = resources.map(one => v.parse(resourcesSchema, one));

  test('are valid, and taken apart and put together again the same limits', () => {
    fc.assert(
      fc.property(given, one => {
        const limits = limitsOf(one);
        const { 'io.devices': devices, hugepages, ...plain } = limits;
        const said = { ...(devices && Object.keys(devices).length > 0 && { 'io.devices': devices }) };
        const pages = { ...(hugepages && Object.keys(hugepages).length > 0 && { hugepages }) };
        expect(limitsFrom(eachLimit(limits))).toEqual({ ...plain, ...said, ...pages });
      }),
    );
  });

  test('of which each limit has a place and can be shown', () => {
    fc.assert(
      fc.property(given, one => {
        for (const [field, value] of eachLimit(limitsOf(one))) {
          expect(fieldPath({ resources: one, field: 'spec.resources' }, field)).not.toContain('undefined');
          expect(formatLimit(field, value)).not.toBe('');
        }
      }),
    );
  });
});
