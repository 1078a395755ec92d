/**
 * Configurations and environments of any sort: a plugin answers with a result or with an error of the specification's, never with anything
 * else; after a DEL nothing is left of it.
 */
import { expect, test } from 'bun:test';
import * as fc from 'fast-check';
import { expectMatch, left, onHost } from '../case.ts';
import { bridge, hostLocal, V4, V6 } from '../configs.ts';
import type { Host } from '../host.ts';
import { has } from '../implementation.ts';
import { type Answer, execute, type Json } from '../plugin.ts';
import { examples, LIMIT } from './times.ts';

type Path = (string | number)[];

/** All places in a value that hold something. */
function places(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...at, key]))];
}

/** A copy with something else in a place; undefined takes away what is there. */
function changed(value: unknown, [first, ...rest]: Path, to: unknown): unknown {
  if (first === undefined) return to;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    key === String(first) ? changed(inner, rest, to) : inner,
  ]);
  const copy = Object.fromEntries(entries) as Json;
  return Array.isArray(value) ? Object.values(copy) : copy;
}

const oddText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    '..',
    '/',
    '../../etc',
    '0.0.0.0/0',
    '::/0',
    '10.77.0.0/24',
    '10.77.0.5',
    'fd77::5',
    'a'.repeat(300),
    '\n',
    '%s',
    '$(id)',
    '-j',
  ),
);
const odd = fc.oneof(
  oddText,
  fc.constantFrom(undefined, null, true, false, 0, -1, 1, 1.5, 65_536, 2 ** 31, 2 ** 53, 1e300, [], {}, [[]], [{}]),
  fc.jsonValue({ maxDepth: 2 }),
);

interface Change {
  /** Of the places there are. */
  nth: number;
  to: unknown;
}
const changes = fc.array(fc.record({ nth: fc.nat(1000), to: odd }), { minLength: 1, maxLength: 3 });

function apply(config: Json, all: Change[]): unknown {
  let value: unknown = config;
  for (const { nth, to } of all) {
    const there = places(value);
    value = changed(value, there[nth % there.length] ?? [], to);
  }
  return value;
}

const CONFIGS: Record<string, (host: Host) => Json> = {
  bridge: host => ({
    ...bridge(
      host,
      { isDefaultGateway: true, ipMasq: true, forceAddress: true, mtu: 1400, hairpinMode: true, macspoofchk: true },
      {},
      [V4, V6],
    ),
    dns: { nameservers: ['192.0.2.53'] },
    runtimeConfig: { mac: '0e:11:22:33:44:55', ips: ['10.77.0.9'] },
    args: { cni: { mac: '0e:11:22:33:44:56', ips: ['10.77.0.8'] } },
  }),
  'host-local': host => ({
    type: 'host-local',
    ipam: hostLocal(host, {
      ranges: [
        [{ subnet: V4, rangeStart: '10.77.0.5', rangeEnd: '10.77.0.9', gateway: '10.77.0.1' }],
        [{ subnet: V6 }],
      ],
      routes: [{ dst: '0.0.0.0/0', gw: '10.77.0.1' }],
    }),
    runtimeConfig: { ips: ['10.77.0.7'], ipRanges: [[{ subnet: '10.78.0.0/24' }]] },
  }),
  static: () => ({
    type: 'static',
    ipam: {
      type: 'static',
      addresses: [{ address: '10.77.0.5/24', gateway: '10.77.0.1' }],
      routes: [{ dst: '::/0' }],
      dns: { search: ['a'] },
    },
    runtimeConfig: { ips: ['10.77.0.7/24'] },
  }),
  portmap: () => ({
    type: 'portmap',
    snat: true,
    markMasqBit: 3,
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '192.0.2.1' }] },
    prevResult: PREVIOUS,
  }),
  firewall: () => ({ type: 'firewall', ingressPolicy: 'same-bridge', prevResult: PREVIOUS }),
  loopback: () => ({ type: 'loopback', prevResult: PREVIOUS }),
};
const PREVIOUS = {
  cniVersion: '1.0.0',
  interfaces: [
    { name: 'br0' },
    { name: 'veth0' },
    { name: 'eth0', mac: '0e:11:22:33:44:55', sandbox: '/run/netns/any' },
  ],
  ips: [{ address: '10.77.0.5/24', gateway: '10.77.0.1', interface: 2 }],
  routes: [{ dst: '0.0.0.0/0' }],
  dns: { nameservers: ['192.0.2.53'] },
};

/** What a plugin may say: nothing or a result with status 0, or else an error. */
function expectSound({ status, stdout, stderr, json }: Answer, may: 'result' | 'nothing'): void {
  if (status === 0) {
    if (may === 'nothing') expect(stdout).toBe('');
    else expect(json).toBeDefined();
    return;
  }
  // A Go program that panics ends with 2 and a trace of its stack; where it was another's IPAM plugin, that is code 0's message.
  if (has('panics') && ((status === 2 && /^panic: /m.test(stderr)) || /panic: /.test(`${json?.msg}`))) return;
  expect({ status, stderr, code: typeof json?.code, msg: typeof json?.msg }).toMatchObject({
    code: 'number',
    msg: 'string',
  });
  expect(json?.code).not.toBe(0);
}

test.each(Object.keys(CONFIGS))(
  '%s, whatever the configuration',
  async type => {
    const property = fc.asyncProperty(changes, all =>
      onHost(async host => {
        const { name: containerId, netns } = await host.container();
        await host.ip('link', 'add', 'br0', 'up', 'type', 'bridge');
        const before = await host.snapshot();
        const good = { cniVersion: '1.0.0', name: 'net', ...CONFIGS[type]?.(host) };
        const config = JSON.stringify(apply(good, all) ?? null);
        const env = { CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: 'eth0' };
        const call = (command: string, stdin: Json | string) =>
          execute({ type, env: { ...env, CNI_COMMAND: command }, stdin, host: host.name });
        const added = await call('ADD', config);
        expectSound(added, 'result');
        expectSound(await call('DEL', config), 'nothing');
        // Where that failed, because the configuration is none, the one that was meant does it.
        expectMatch(await call('DEL', good), { status: 0, stdout: '' });
        // Another name of the network, the bridge or the folder is another network's.
        const elsewhere = /"name":"net"/.test(config) ? [] : [/./];
        const leaky = has('NAT rules by address') ? [/./] : [];
        const own = left(before, await host.snapshot(), [
          /^link \S+( up)?$/,
          /^container link lo/,
          /^container .* lo$/,
          ...elsewhere,
          ...leaky,
        ]);
        expect(own).toEqual([]);
      }),
    );
    await fc.assert(property, examples(12));
  },
  120_000,
);

const variables = fc.record(
  {
    CNI_CONTAINERID: oddText,
    CNI_NETNS: oddText,
    CNI_IFNAME: oddText,
    CNI_ARGS: fc.oneof(oddText, fc.stringMatching(/^(MAC|IP|GATEWAY|IgnoreUnknown)=.{0,12}(;[A-Z]+=.{0,5})?$/)),
    CNI_COMMAND: fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'ADD ', ''),
  },
  { requiredKeys: [] },
);

test(
  'any environment',
  async () => {
    const property = fc.asyncProperty(variables, fc.constantFrom('bridge', 'host-local', 'loopback'), (given, type) =>
      onHost(async host => {
        const { name, netns } = await host.container();
        const usual = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: name, CNI_NETNS: netns, CNI_IFNAME: 'eth0' };
        // An environment holds no zero bytes.
        const env = Object.fromEntries(
          Object.entries({ ...usual, ...given }).map(([key, value]) => [key, value.replaceAll('\0', '')]),
        );
        const stdin = { cniVersion: '1.0.0', name: 'net', ...CONFIGS[type]?.(host) };
        const before = await host.snapshot();
        const answer = await execute({ type, env, stdin, host: host.name });
        if (env.CNI_COMMAND === '') expect(answer.stdout).not.toContain('panic');
        else expectSound(answer, env.CNI_COMMAND === 'ADD' ? 'result' : 'nothing');
        if (answer.status === 0) await execute({ type, env: { ...env, CNI_COMMAND: 'DEL' }, stdin, host: host.name });
        const leaky = has('failed ADD leaves interfaces') ? [/./] : [];
        expect(left(before, await host.snapshot(), [/^container link lo/, ...leaky])).toEqual([]);
      }),
    );
    await fc.assert(property, examples(20));
  },
  LIMIT,
);
