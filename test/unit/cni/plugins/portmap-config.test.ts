import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { JsonObject } from '../../../../src/cni/json.ts';
import type { PluginCall } from '../../../../src/cni/plugins/plugin.ts';
import { PluginError } from '../../../../src/cni/plugins/plugin-error.ts';
import { readConfig } from '../../../../src/cni/plugins/portmap/config.ts';
import { silent } from '../../../../src/cni/plugins/trace.ts';

function call(config: JsonObject, runtimeConfig: JsonObject = {}): PluginCall {
  return {
    command: 'ADD',
    network: 'net',
    cniVersion: '1.1.0',
    config: { cniVersion: '1.1.0', name: 'net', type: 'portmap', ...config },
    runtimeConfig,
    prevResult: undefined,
    path: [],
    trace: silent,
    signal: undefined,
  };
}
const mapped = (...portMappings: unknown[]) => readConfig(call({}, { portMappings })).mappings;
const http = { hostPort: 8080, containerPort: 80, protocol: 'tcp' };

function refusal(of: () => unknown): { code: number; msg: string } {
  try {
    of();
  } catch (error) {
    if (error instanceof PluginError) return { code: error.code, msg: error.msg };
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a configuration', () => {
  test('has the reference plugin’s defaults', () => {
    expect(readConfig(call({}))).toEqual({ snat: true, masqAll: false, mappings: [] });
    expect(readConfig(call({ snat: null, masqAll: null, conditionsV4: null }, { portMappings: null }))).toEqual({
      snat: true,
      masqAll: false,
      mappings: [],
    });
  });

  test('may say what makes no difference here', () => {
    const harmless = {
      backend: 'nftables',
      markMasqBit: 5,
      conditionsV4: [],
      conditionsV6: [],
      externalSetMarkChain: '',
      x: 1,
    };
    expect(readConfig(call({ snat: false, masqAll: true, ...harmless }))).toMatchObject({ snat: false, masqAll: true });
  });

  test.each<[JsonObject, string]>([
    [{ backend: 'iptables' }, 'backend is not supported: "iptables"; there is nftables only'],
    [{ externalSetMarkChain: 'KUBE-MARK-MASQ' }, 'externalSetMarkChain is not supported: '],
    [{ conditionsV4: ['!', '-d', '192.0.2.0/24'] }, 'conditionsV4 is not supported: '],
    [{ conditionsV6: ['!', '-d', '2001:db8::/32'] }, 'conditionsV6 is not supported: '],
  ])('%j is refused, for it would have no effect', (config, message) => {
    const { code, msg } = refusal(() => readConfig(call(config)));
    expect(code).toBe(2);
    expect(msg).toStartWith(message);
  });

  test.each<[JsonObject, string]>([
    [{ snat: 'yes' }, 'snat: '],
    [{ masqAll: 1 }, 'masqAll: '],
    [{ markMasqBit: 32 }, 'markMasqBit: '],
    [{ markMasqBit: '13' }, 'markMasqBit: '],
    [{ conditionsV4: 'x' }, 'conditionsV4: '],
    [{ backend: 7 }, 'backend: '],
  ])('%j is invalid', (config, field) => {
    const { code, msg } = refusal(() => readConfig(call(config)));
    expect(code).toBe(7);
    expect(msg).toStartWith(field);
  });
});

describe('portMappings', () => {
  test('as podman and as containerd write them', () => {
    const expected = { hostPort: 8080, containerPort: 80, protocol: 'tcp' as const };
    expect(mapped(http, { HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '' })).toEqual([
      expected,
      expected,
    ]);
    expect(mapped({ ...http, protocol: 'SCTP' })).toMatchObject([{ protocol: 'sctp' }]);
  });

  test('an address is written in one way, and says which family it is for', () => {
    const on = (hostIP: string) => mapped({ ...http, hostIP })[0];
    expect(on('192.0.2.1')).toMatchObject({ hostIp: '192.0.2.1', family: 'v4' });
    expect(on('2001:DB8:0::1')).toMatchObject({ hostIp: '2001:db8::1', family: 'v6' });
    expect(on('::ffff:192.0.2.1')).toMatchObject({ hostIp: '192.0.2.1', family: 'v4' });
    expect(on('0.0.0.0')).toEqual({ ...http, protocol: 'tcp', family: 'v4' });
    expect(on('::')).toEqual({ ...http, protocol: 'tcp', family: 'v6' });
  });

  test.each<[unknown, string]>([
    [7, 'runtimeConfig.portMappings.0: must be an object'],
    [{ ...http, hostPort: 0 }, 'runtimeConfig.portMappings.0.hostPort: must be a port of the host from 1 to 65535'],
    [{ containerPort: 80, protocol: 'tcp' }, 'runtimeConfig.portMappings.0.hostPort: '],
    [{ ...http, hostPort: 65536 }, 'runtimeConfig.portMappings.0.hostPort: '],
    [{ ...http, hostPort: '80' }, 'runtimeConfig.portMappings.0.hostPort: '],
    [{ ...http, containerPort: -1 }, 'runtimeConfig.portMappings.0.containerPort: '],
    [{ ...http, containerPort: 1.5 }, 'runtimeConfig.portMappings.0.containerPort: '],
    [{ ...http, protocol: 'icmp' }, 'runtimeConfig.portMappings.0.protocol: must be one of tcp, udp, sctp'],
    [{ ...http, protocol: undefined }, 'runtimeConfig.portMappings.0.protocol: '],
    [{ ...http, hostIP: '300.1.1.1' }, 'runtimeConfig.portMappings.0.hostIP: not an IP address'],
    [{ ...http, hostIP: 'fe80::1%eth0' }, 'runtimeConfig.portMappings.0.hostIP: not an IP address'],
    [{ ...http, hostIP: 5 }, 'runtimeConfig.portMappings.0.hostIP: '],
  ])('%j is invalid', (mapping, message) => {
    const { code, msg } = refusal(() => mapped(mapping));
    expect(code).toBe(7);
    expect(msg).toStartWith(message);
  });

  test('that are no list are invalid', () => {
    expect(refusal(() => readConfig(call({}, { portMappings: { a: http } }))).code).toBe(7);
  });

  test('::1 cannot be published on', () => {
    expect(refusal(() => mapped({ ...http, hostIP: '0:0::1' })).code).toBe(2);
  });

  test('one port may be named twice, but leads to one', () => {
    expect(mapped(http, http)).toHaveLength(2);
    expect(mapped(http, { ...http, protocol: 'udp', containerPort: 81 })).toHaveLength(2);
    expect(mapped(http, { ...http, hostIP: '192.0.2.1', containerPort: 81 })).toHaveLength(2);
    for (const other of [{}, { hostIP: '0.0.0.0' }, { hostIP: '::' }]) {
      expect(refusal(() => mapped(http, { ...http, containerPort: 81, ...other })).msg).toBe(
        'runtimeConfig.portMappings.1: 8080/tcp leads to port 80 already',
      );
    }
  });
});

test('whatever the configuration is, it is read or refused with an error of a plugin', () => {
  const keys = ['snat', 'masqAll', 'markMasqBit', 'externalSetMarkChain', 'conditionsV4', 'conditionsV6', 'backend'];
  const mapping = fc.dictionary(
    fc.constantFrom('hostPort', 'HOSTPORT', 'containerPort', 'protocol', 'hostIP', '__proto__', 'x'),
    fc.oneof(fc.jsonValue(), fc.integer({ min: -1, max: 65_536 }), fc.constantFrom('tcp', 'UDP', '::1', '10.0.0.1')),
  );
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()),
      fc.oneof(fc.jsonValue(), fc.array(fc.oneof(mapping, fc.jsonValue()), { maxLength: 4 })),
      (config, portMappings) => {
        let read: ReturnType<typeof readConfig>;
        try {
          read = readConfig(call(config as JsonObject, { portMappings }));
        } catch (error) {
          expect(error).toBeInstanceOf(PluginError);
          return;
        }
        for (const { hostPort, containerPort, protocol } of read.mappings) {
          expect([hostPort, containerPort].every(port => Number.isInteger(port) && port > 0 && port < 65_536)).toBe(
            true,
          );
          expect(['tcp', 'udp', 'sctp']).toContain(protocol);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
