import { describe, expect, test } from 'bun:test';
import type { JsonObject } from '../../../../../src/cni/json.ts';
import { hasIpam, parseConfig } from '../../../../../src/cni/plugins/bridge/config.ts';
import type { AttachmentCall } from '../../../../../src/cni/plugins/plugin.ts';
import { PluginError } from '../../../../../src/cni/plugins/plugin-error.ts';
import { silent } from '../../../../../src/cni/plugins/trace.ts';

function call(config: JsonObject, more: Partial<AttachmentCall> = {}): AttachmentCall {
  return {
    command: 'ADD',
    network: 'lab',
    cniVersion: '1.1.0',
    config: { cniVersion: '1.1.0', name: 'lab', type: 'bridge', ...config },
    runtimeConfig: {},
    prevResult: undefined,
    path: [],
    trace: silent,
    signal: undefined,
    containerId: 'c1',
    ifName: 'eth0',
    netns: '/run/netns/c1',
    args: [],
    ...more,
  };
}

function refused(config: JsonObject, more: Partial<AttachmentCall> = {}): PluginError {
  try {
    parseConfig(call(config, more));
  } catch (error) {
    if (error instanceof PluginError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('what is said', () => {
  test('nothing: the defaults of the reference', () => {
    expect(parseConfig(call({}))).toEqual({
      bridge: 'cni0',
      isGateway: false,
      isDefaultGateway: false,
      forceAddress: false,
      ipMasq: false,
      hairpinMode: false,
      promiscMode: false,
      enableDad: false,
      macSpoofCheck: false,
      portIsolation: false,
      hasIpam: false,
    });
  });

  test('everything, under the names of the reference', () => {
    const on = { isGateway: true, forceAddress: true, ipMasq: true, hairpinMode: true, enabledad: true };
    const ipam = { type: 'host-local' };
    const given = { ...on, bridge: 'br-1', mtu: 1400, macspoofchk: true, portIsolation: true, ipam };
    expect(parseConfig(call({ ...given, ipMasqBackend: 'nftables', dns: { domain: 'lab', search: null } }))).toEqual({
      bridge: 'br-1',
      isGateway: true,
      isDefaultGateway: false,
      forceAddress: true,
      ipMasq: true,
      hairpinMode: true,
      promiscMode: false,
      mtu: 1400,
      enableDad: true,
      macSpoofCheck: true,
      portIsolation: true,
      hasIpam: true,
      dns: { nameservers: [], domain: 'lab', search: [], options: [] },
    });
  });

  test('isDefaultGateway implies isGateway; null and empty are as if absent', () => {
    expect(parseConfig(call({ isDefaultGateway: true })).isGateway).toBe(true);
    const empty = { bridge: '', mtu: 0, isGateway: null, vlan: 0, vlanTrunk: [], ipam: {}, dns: {}, args: null };
    expect(parseConfig(call(empty))).toEqual(parseConfig(call({})));
    expect(parseConfig(call({ ipam: null, dns: { nameservers: [] } }))).toEqual(parseConfig(call({})));
  });

  test('keys that would have no effect are let be', () => {
    const none = { preserveDefaultVlan: true, disableContainerInterface: false, ipMasqBackend: 'iptables' };
    expect(parseConfig(call({ ...none, whatever: { is: 'else' } }))).toEqual(parseConfig(call({})));
  });

  test('a DEL looks only whether there is IPAM', () => {
    expect(hasIpam(call({ vlan: 5, bridge: 7, ipam: { type: 'static' } }))).toBe(true);
    for (const ipam of [undefined, null, {}, { type: '' }, 'static']) expect(hasIpam(call({ ipam }))).toBe(false);
  });
});

describe('the MAC', () => {
  const args = { cni: { mac: '02:00:00:00:00:02' } };
  test('of the runtime goes before that of args, and that before CNI_ARGS', () => {
    const variable = [['MAC', '02-00-00-00-00-0A']] as const;
    const runtimeConfig = { mac: '02:00:00:00:00:01' };
    expect(parseConfig(call({ args }, { runtimeConfig, args: variable })).mac).toBe('02:00:00:00:00:01');
    expect(parseConfig(call({ args }, { args: variable })).mac).toBe('02:00:00:00:00:02');
    expect(parseConfig(call({}, { args: variable })).mac).toBe('02:00:00:00:00:0a');
  });

  test.each(['nonsense', '02:00:00:00:00', '01:00:5e:00:00:01', '00:00:00:00:00:00', '02:00:00:00:00:00:00:01'])(
    '%s is refused where it came from',
    mac => {
      expect(refused({}, { runtimeConfig: { mac } })).toMatchObject({
        code: 7,
        msg: expect.stringMatching(/^runtimeConfig\.mac: /),
      });
      expect(refused({ args: { cni: { mac } } })).toMatchObject({
        code: 7,
        msg: expect.stringMatching(/^args\.cni\.mac: /),
      });
      expect(refused({}, { args: [['MAC', mac]] })).toMatchObject({
        code: 4,
        msg: expect.stringMatching(/^CNI_ARGS: MAC: /),
      });
    },
  );
});

describe('CNI_ARGS', () => {
  test('that are not known are refused unless the caller says that it does not matter', () => {
    expect(refused({}, { args: [['K8S_POD_NAME', 'web']] })).toMatchObject({
      code: 4,
      msg: expect.stringMatching(/K8S_POD_NAME/),
    });
    const ignored = [
      ['K8S_POD_NAME', 'web'],
      ['IgnoreUnknown', '1'],
    ] as const;
    expect(parseConfig(call({}, { args: ignored }))).toEqual(parseConfig(call({})));
    expect(parseConfig(call({}, { args: [['IP', '10.0.0.5']] }))).toEqual(parseConfig(call({})));
  });
});

describe('refused', () => {
  test.each([
    [{ vlan: 100 }, 'vlan'],
    [{ vlanTrunk: [{ id: 5 }] }, 'vlanTrunk'],
    [{ disableContainerInterface: true }, 'disableContainerInterface'],
    [{ ipMasq: true, ipMasqBackend: 'iptables' }, 'ipMasqBackend'],
  ])('%j: unsupported, named', (config, field) => {
    expect(refused(config)).toMatchObject({ code: 2, msg: expect.stringContaining(field) });
  });

  test.each([
    [{ isGateway: 'yes' }, /^isGateway: must be true or false/],
    [{ mtu: '1500' }, /^mtu: must be a number/],
    [{ mtu: -1 }, /^mtu: must be a whole number from 68 to 65535/],
    [{ mtu: 67 }, /^mtu: /],
    [{ mtu: 1.5 }, /^mtu: /],
    [{ vlan: 4095 }, /^vlan: /],
    [{ vlanTrunk: 5 }, /^vlanTrunk: must be a list/],
    [{ bridge: 5 }, /^bridge: must be a string/],
    [{ bridge: 'a234567890123456' }, /^bridge: .*"a234567890123456" has 16 characters; 15 is the most/],
    [{ bridge: 'bräcke-aaaaaaaaa' }, /^bridge: /],
    [{ bridge: 'a/b' }, /^bridge: /],
    [{ bridge: 'br%d' }, /^bridge: /],
    [{ bridge: '..' }, /^bridge: /],
    [{ bridge: 'all' }, /^bridge: .*"all" stands for every interface/],
    [{ bridge: 'default' }, /^bridge: .*"default" stands for every interface/],
    [{ hairpinMode: true, promiscMode: true }, /hairpinMode and promiscMode exclude each other/],
    [{ ipMasq: true, ipMasqBackend: 'ebpf' }, /^ipMasqBackend: /],
    [{ ipam: [] }, /^ipam/],
    [{ ipam: { type: 5 } }, /^ipam\.type: must be a string/],
    [{ dns: { nameservers: 'x' } }, /^dns\.nameservers/],
    [{ args: { cni: { mac: 5 } } }, /^args\.cni\.mac/],
  ] as [JsonObject, RegExp][])('%j: invalid, with the field', (config, msg) => {
    expect(refused(config)).toMatchObject({ code: 7, msg: expect.stringMatching(msg) });
  });
});
