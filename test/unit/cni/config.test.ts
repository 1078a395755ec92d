import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type NetworkConfig, parseNetworkConfig, pluginFolderName } from '../../../src/cni/config.ts';
import { FormatError } from '../../../src/cni/json.ts';
import { requestConfig } from '../../../src/cni/request.ts';

const minimal = { cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'bridge' }] };

test('a network keeps all that it does not understand', () => {
  const document = {
    ...minimal,
    marker: { instance: 'x' },
    plugins: [{ type: 'bridge', own: [1, { a: null }], ipam: { type: 'host-local' } }],
  };
  const network = parseNetworkConfig(document);
  expect(network).toMatchObject({ name: 'net', cniVersion: '1.0.0', disableCheck: false, disableGC: false });
  expect(network.json).toEqual(document);
  expect(network.plugins).toEqual([
    { type: 'bridge', ipam: 'host-local', capabilities: [], json: { ...document.plugins[0] } },
  ]);
});

test('capabilities that are declared false are not declared', () => {
  const { plugins } = parseNetworkConfig({
    ...minimal,
    plugins: [{ type: 'p', capabilities: { ips: true, mac: false } }],
  });
  expect(plugins[0]?.capabilities).toEqual(['ips']);
});

test.each([
  [{ cniVersion: '1.0.0' }, '1.0.0'],
  [{ cniVersion: '0.4.0', cniVersions: ['0.3.1', '1.0.0', '1.1.0'] }, '1.1.0'],
  [{ cniVersion: '2.0.0', cniVersions: ['1.0.0', '1.7.0'] }, '1.0.0'],
  [{ cniVersion: undefined, cniVersions: ['0.3.0'] }, '0.3.0'],
])('the highest version that both speak is chosen: %j', (versions, chosen) => {
  expect(parseNetworkConfig({ ...minimal, ...versions }).cniVersion as string).toBe(chosen);
});

test('a single plugin’s configuration is a network of one plugin', () => {
  const plugin = { cniVersion: '0.4.0', name: 'lo', type: 'loopback', extra: 1 };
  const network = parseNetworkConfig(plugin);
  expect(network).toMatchObject({ name: 'lo', cniVersion: '0.4.0', plugins: [{ type: 'loopback', json: plugin }] });
  expect(parseNetworkConfig(network.json)).toEqual(network);
});

test('flags may be words, as libcni reads them', () => {
  expect(parseNetworkConfig({ ...minimal, disableCheck: 'TRUE', disableGC: 'false' })).toMatchObject({
    disableCheck: true,
    disableGC: false,
  });
});

test.each([
  [[], /must be an object/],
  [{ ...minimal, name: undefined }, /^name: is missing/],
  [{ ...minimal, name: '../etc' }, /^name: may hold letters/],
  [{ ...minimal, name: 'a/b' }, /^name: /],
  [{ ...minimal, cniVersion: undefined }, /^cniVersion: is missing; one of 0\.3\.0, .*1\.1\.0/],
  [{ ...minimal, cniVersion: '0.2.0' }, /^cniVersion: 0\.2\.0 is not supported/],
  [{ ...minimal, cniVersion: 1 }, /^cniVersion: /],
  [{ ...minimal, plugins: [] }, /^plugins: there is none/],
  [{ ...minimal, plugins: undefined }, /^plugins: there is none/],
  [{ ...minimal, plugins: {} }, /^plugins: /],
  [{ ...minimal, plugins: [{ type: 'a' }, 3] }, /^plugins\.1: must be an object/],
  [{ ...minimal, plugins: [{}] }, /^plugins\.0\.type: is missing/],
  [{ ...minimal, plugins: [{ type: '/bin/sh' }] }, /^plugins\.0\.type: .*no path/],
  [{ ...minimal, plugins: [{ type: '..' }] }, /^plugins\.0\.type: /],
  [{ ...minimal, plugins: [{ type: 'a', capabilities: { mac: 'yes' } }] }, /^plugins\.0\.capabilities\.mac: /],
  [{ ...minimal, disableCheck: 'maybe' }, /^disableCheck: must be true or false/],
  [{ ...minimal, name: 3, plugins: 3 }, /^name: .*; plugins: /],
])('refused: %j', (document, message) => {
  expect(() => parseNetworkConfig(document)).toThrow(message);
});

test('more plugins may come from a folder of the network’s name, unless it says no', () => {
  expect(pluginFolderName(minimal)).toBe('net');
  expect(pluginFolderName({ ...minimal, loadOnlyInlinedPlugins: true })).toBeUndefined();
  expect(pluginFolderName({ cniVersion: '1.0.0', name: 'lo', type: 'loopback' })).toBeUndefined();
  const network = parseNetworkConfig(minimal, [{ type: 'tuning' }]);
  expect(network.plugins.map(plugin => plugin.type)).toEqual(['bridge', 'tuning']);
  expect(parseNetworkConfig(network.json)).toEqual(network);
});

/** Values whose keys include `__proto__`, `constructor` and the like. */
const json = fc.jsonValue();

test('garbage is refused or understood, and never anything else', () => {
  const mutated = fc.record({
    name: fc.oneof(fc.constant('net'), json),
    cniVersion: fc.oneof(fc.constant('1.0.0'), json),
    plugins: json,
  });
  fc.assert(
    fc.property(fc.oneof(json, mutated), document => {
      let network: NetworkConfig;
      try {
        network = parseNetworkConfig(document);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        return;
      }
      expect(network.plugins.length).toBeGreaterThan(0);
    }),
  );
});

test('a plugin gets its own keys unaltered, whatever their names', () => {
  const keys = fc.dictionary(fc.string(), json);
  fc.assert(
    fc.property(keys, own => {
      const { type: _, capabilities: _c, ipam: _i, cniVersion: _v, name: _n, ...rest } = own;
      const kept = Object.fromEntries(Object.entries(rest).filter(([key]) => !key.startsWith('cni.dev/')));
      const text = JSON.stringify({
        ...minimal,
        plugins: [Object.fromEntries([...Object.entries(rest), ['type', 'p']])],
      });
      const network = parseNetworkConfig(JSON.parse(text));
      const sent: unknown = JSON.parse(JSON.stringify(network.plugins.map(plugin => requestConfig(network, plugin))));
      expect(sent).toEqual([JSON.parse(JSON.stringify({ ...kept, type: 'p', cniVersion: '1.0.0', name: 'net' }))]);
    }),
  );
});
