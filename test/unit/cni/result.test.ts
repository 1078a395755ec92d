import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { FormatError } from '../../../src/cni/json.ts';
import { formatResult, parseResult, type Result } from '../../../src/cni/result.ts';
import { VERSIONS } from '../../../src/cni/version.ts';

const full = {
  cniVersion: '1.1.0',
  interfaces: [
    { name: 'cni0', mac: 'aa:67:83:1a:a8:e6', mtu: 1500 },
    { name: 'eth0', mac: 'e2:89:53:f8:e4:02', sandbox: '/run/netns/x', socketPath: '/run/s', pciID: '0000:00:1f.6' },
  ],
  ips: [
    { address: '10.1.0.2/24', gateway: '10.1.0.1', interface: 1 },
    { address: 'fd00::2/64', gateway: 'fd00::1', interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1', mtu: 1400, advmss: 1360, priority: 10, table: 100, scope: 0 }],
  dns: { nameservers: ['10.1.0.1'], domain: 'x.test', search: ['x.test'], options: ['ndots:2'] },
};

test('a result of version 1.1.0 goes through unaltered', () => {
  expect(formatResult(parseResult(full, '1.1.0'), '1.1.0')).toEqual(full);
});

test('before 1.0.0 each address tells its family, and interfaces have fewer keys', () => {
  const old = formatResult(parseResult(full, '1.1.0'), '0.4.0');
  expect(old).toEqual({
    ...full,
    cniVersion: '0.4.0',
    interfaces: [
      { name: 'cni0', mac: 'aa:67:83:1a:a8:e6' },
      { name: 'eth0', mac: 'e2:89:53:f8:e4:02', sandbox: '/run/netns/x' },
    ],
    ips: [
      { version: '4', ...full.ips[0] },
      { version: '6', ...full.ips[1] },
    ],
  });
  expect(formatResult(parseResult(old, '0.4.0'), '1.0.0')).toMatchObject({ cniVersion: '1.0.0', ips: full.ips });
  expect(JSON.stringify(formatResult(parseResult(old, '0.4.0'), '1.0.0'))).not.toContain('"version"');
});

test('a result without a version has that of the configuration', () => {
  expect(parseResult({}, '0.3.1')).toEqual({ cniVersion: '0.3.1', interfaces: [], ips: [], routes: [] });
  expect(parseResult({ cniVersion: '' }, '1.0.0').cniVersion).toBe('1.0.0');
});

test('null and empty are as good as absent', () => {
  const sparse = {
    interfaces: null,
    ips: [{ address: '10.1.0.2/24', gateway: '', interface: null }],
    routes: null,
    dns: {},
  };
  expect(formatResult(parseResult(sparse, '1.0.0'), '1.0.0')).toMatchObject({
    cniVersion: '1.0.0',
    ips: [{ address: '10.1.0.2/24' }],
  });
});

test('keys that the specification does not know are kept', () => {
  const own = { cniVersion: '1.0.0', ips: [{ address: '10.1.0.2/24', own: 1 }], 'x.test/own': { a: 1 } };
  expect(formatResult(parseResult(own, '1.0.0'), '1.0.0')).toEqual(own);
});

test.each([
  [null, /must be an object/],
  [[], /must be an object/],
  [{ cniVersion: '0.2.0', ip4: { ip: '10.1.0.2/24' } }, /version 0\.2\.0 are not supported/],
  [{ ips: [{ address: '10.1.0.2' }] }, /^ips\.0\.address: must be an address with a prefix length/],
  [{ ips: [{ address: '10.1.0.2/33' }] }, /^ips\.0\.address/],
  [{ ips: [{ address: 'fe80::1%eth0/64' }] }, /^ips\.0\.address/],
  [{ ips: [{ address: '10.1.0.2/24', gateway: 'x' }] }, /^ips\.0\.gateway: must be an IP address/],
  [
    { interfaces: [{ name: 'a' }], ips: [{ address: '10.1.0.2/24', interface: 1 }] },
    /names an interface that is not in the list/,
  ],
  [{ interfaces: [{ name: 'a' }], ips: [{ address: '10.1.0.2/24', interface: -1 }] }, /^ips\.0\.interface/],
  [{ interfaces: [{}] }, /^interfaces\.0\.name/],
  [{ routes: [{ dst: 'default' }] }, /^routes\.0\.dst/],
  [{ dns: { nameservers: '10.1.0.1' } }, /^dns\.nameservers/],
])('refused: %j', (value, message) => {
  expect(() => parseResult(value, '1.0.0')).toThrow(message);
});

const ipv4 = fc.tuple(fc.ipV4(), fc.nat(32)).map(([ip, prefix]) => `${ip}/${prefix}`);
const ipv6 = fc.tuple(fc.ipV6(), fc.nat(128)).map(([ip, prefix]) => `${ip}/${prefix}`);
const valid = fc.record(
  {
    interfaces: fc.array(fc.record({ name: fc.string(), mac: fc.string() }, { requiredKeys: ['name'] }), {
      minLength: 1,
    }),
    ips: fc.array(
      fc.record(
        { address: fc.oneof(ipv4, ipv6), gateway: fc.ipV4(), interface: fc.constant(0) },
        { requiredKeys: ['address'] },
      ),
    ),
    routes: fc.array(fc.record({ dst: fc.oneof(ipv4, ipv6), gw: fc.ipV6() }, { requiredKeys: ['dst'] })),
    dns: fc.record({ nameservers: fc.array(fc.ipV4(), { minLength: 1 }), domain: fc.string({ minLength: 1 }) }),
  },
  { requiredKeys: ['interfaces'] },
);

test('every valid result survives every version, there and back', () => {
  fc.assert(
    fc.property(valid, fc.constantFrom(...VERSIONS), fc.constantFrom(...VERSIONS), (value, from, to) => {
      const result = parseResult(value, from);
      const there = parseResult(formatResult(result, to), to);
      const back = parseResult(formatResult(there, from), from);
      expect(formatResult(back, from)).toEqual(formatResult(result, from));
    }),
  );
});

test('garbage is refused or understood, and never anything else', () => {
  const mutated = fc.record(
    { cniVersion: fc.constant('1.0.0'), interfaces: fc.jsonValue(), ips: fc.jsonValue(), dns: fc.jsonValue() },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), mutated), value => {
      let result: Result;
      try {
        result = parseResult(value, '1.0.0');
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        return;
      }
      JSON.stringify(formatResult(result, '0.3.1'));
    }),
  );
});
