/** Every verb in every version: what is answered, and what a version does not know. */
import { describe, expect, test } from 'bun:test';
import { expectError, expectMatch, onHost } from './case.ts';
import { bridge, hostLocal } from './configs.ts';
import type { Host } from './host.ts';
import { has, TYPES, type Type } from './implementation.ts';
import { type Attachment, add, check, del, type Plugin } from './network.ts';
import { execute } from './plugin.ts';

const supported = ['0.3.1', '0.4.0', '1.0.0', ...(has('no 1.1.0') ? [] : ['1.1.0'])];

describe('VERSION', () => {
  test.each([...TYPES])('%s tells the versions that it speaks', type =>
    onHost(async ({ name: host }) => {
      const answer = await execute({ type, env: { CNI_COMMAND: 'VERSION' }, stdin: { cniVersion: '1.0.0' }, host });
      expect(answer.status).toBe(0);
      expect(answer.json?.supportedVersions).toEqual(
        expect.arrayContaining(type === 'firewall' ? supported.slice(1) : supported),
      );
      expect(typeof answer.json?.cniVersion).toBe('string');
    }),
  );

  test('needs nothing else: nothing on stdin, no other variable', () =>
    onHost(async ({ name: host }) => {
      const env = { CNI_COMMAND: 'VERSION', CNI_PATH: undefined };
      const answer = await execute({ type: 'bridge', env, stdin: '', host });
      expect({ status: answer.status, versions: answer.json?.supportedVersions }).toEqual({
        status: 0,
        versions: expect.arrayContaining(supported),
      });
    }));
});

/** A configuration of each type with which it can be executed alone. */
const ALONE: Record<Exclude<Type, 'portmap' | 'firewall'>, (host: Host) => Plugin> = {
  bridge: host => bridge(host),
  'host-local': host => ({ type: 'host-local', ipam: hostLocal(host) }),
  static: () => ({ type: 'static', ipam: { type: 'static', addresses: [{ address: '10.77.0.2/24' }] } }),
  loopback: () => ({ type: 'loopback' }),
};

async function attachment(host: Host, plugin: Plugin, cniVersion: string): Promise<Attachment> {
  const { name: containerId, netns } = await host.container();
  return { host, network: { cniVersion, name: 'net', plugins: [plugin] }, containerId, netns, ifName: 'eth0' };
}

const rows = Object.entries(ALONE).flatMap(([type, plugin]) =>
  supported.map(version => [`${type} ${version}`, plugin, version] as const),
);

describe('ADD, CHECK and DEL', () => {
  test.each(rows)('%s', (_, plugin, version) =>
    onHost(async host => {
      const made = await attachment(host, plugin(host), version);
      const added = await add(made);
      expect(added.json ?? added).toMatchObject({ cniVersion: version });
      const [first] = (added.json?.ips ?? []) as Record<string, unknown>[];
      const told = version < '1' && !(plugin === ALONE.loopback && has('loopback: no families'));
      expect(first?.version).toBe(told ? '4' : undefined);
      const checked = await check(made, added.json ?? {});
      if (version < '0.4') expectError(checked, { code: 1, msg: /CHECK/ }, version);
      else expectMatch(checked, { status: 0, stdout: '' });
      expectMatch(await del(made, added.json), { status: 0, stdout: '' });
    }),
  );

  test.each(['0.0.1', '0.2.9', '1.2.0', '2.0.0', 'one'])('version %s is unknown to everyone', cniVersion =>
    onHost(async host => {
      const made = await attachment(host, bridge(host), cniVersion);
      const before = await host.snapshot();
      const answer = await add(made);
      // What is no version may also be told as something that can't be read.
      expect([1, 6, 7]).toContain(Number(answer.json?.code));
      if (cniVersion !== 'one') expect(answer.json?.code).toBe(1);
      expect(answer.status).toBeGreaterThan(0);
      expect(await host.snapshot()).toEqual(before);
    }),
  );
});

test('without cniVersion a configuration is of 0.1.0, before there were chains', () =>
  onHost(async host => {
    const made = await attachment(host, ALONE['host-local'](host), '');
    const { cniVersion: _, ...network } = made.network;
    const stdin = { name: network.name, ...network.plugins[0] };
    const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: made.containerId, CNI_NETNS: made.netns, CNI_IFNAME: 'eth0' };
    const answer = await execute({ type: 'host-local', env, stdin, host: host.name });
    if (has('versions before 0.3.0')) expectMatch(answer.json, { cniVersion: '0.1.0', ip4: { ip: '10.77.0.2/24' } });
    else expectError(answer, { code: 1, msg: /./ });
  }));

describe('GC and STATUS', () => {
  test.each(['GC', 'STATUS'])('%s came with 1.1.0', command =>
    onHost(async host => {
      const stdin = { cniVersion: '1.0.0', name: 'net', ...bridge(host) };
      const answer = await execute({ type: 'bridge', env: { CNI_COMMAND: command }, stdin, host: host.name });
      expectError(answer, has('no 1.1.0') ? { code: 3, msg: /containerID/ } : 1);
    }),
  );
});
