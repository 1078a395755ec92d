import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { flatKeyed, nestedKeyed } from '../../../src/host/cgroupfs/keyed.ts';

test('flat keyed: a number a line', () => {
  expect(flatKeyed('usage_usec 12\noom_kill 0\n')).toEqual(
    new Map([
      ['usage_usec', 12],
      ['oom_kill', 0],
    ]),
  );
  expect(flatKeyed('')).toEqual(new Map());
  const counters = fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), fc.nat());
  fc.assert(
    fc.property(counters, all => {
      const text = Object.entries(all)
        .map(([key, value]) => `${key} ${value}`)
        .join('\n');
      expect(Object.fromEntries(flatKeyed(text))).toEqual(all);
    }),
  );
});

test('nested keyed: pairs behind a key', () => {
  const content = 'some avg10=0.12 avg60=0.00 total=7\nfull avg10=0.00';
  expect(nestedKeyed(content).get('some')?.get('avg10')).toBe('0.12');
  expect([...nestedKeyed(content).keys()]).toEqual(['some', 'full']);
  expect(nestedKeyed('')).toEqual(new Map());
});

test('nested keyed: some kernels leave out the line break behind a device that did nothing', () => {
  const devices = [...nestedKeyed('7:7 7:6 254:0 rbytes=4096 wbytes=0\n254:16 rbytes=1').values()];
  expect(devices.map(one => one.get('rbytes'))).toEqual(['4096', '1']);
});
