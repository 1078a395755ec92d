/** GC takes away what no valid attachment owns, and nothing else; STATUS says whether an ADD would be served. */
import { describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { output } from '../../host/observe/command.ts';
import { attachmentOf, expectError, expectMatch, expectResult, left, onHost } from './case.ts';
import { bridge, hostLocal } from './configs.ts';
import type { Container, Host } from './host.ts';
import { has } from './implementation.ts';
import { type Attachment, add, check, gc, type Plugin, status } from './network.ts';
import type { Answer } from './plugin.ts';

const plugins = (host: Host): Plugin[] => [
  bridge(host, { isGateway: true, ipMasq: true, macspoofchk: true }),
  { type: 'portmap', capabilities: { portMappings: true } },
  { type: 'firewall' },
];
const cniVersion = has('no 1.1.0') ? '1.0.0' : '1.1.0';

function attachment(
  host: Host,
  container: Container,
  more: { ifName?: string; network?: string; port?: number } = {},
): Attachment {
  const { port = 8080, ...rest } = more;
  const portMappings = [{ hostPort: port, containerPort: 80, protocol: 'tcp' }];
  return attachmentOf({ name: '', plugins, cniVersion, runtimeConfig: { portMappings }, ...rest }, host, container);
}

/** Those that know no GC or STATUS say so, in one way or another. True where it was so. */
function refused(answer: Answer): boolean {
  if (!has('no 1.1.0')) return false;
  expectError(answer, { code: 3, msg: /containerID/ });
  return true;
}

describe('GC', () => {
  test('keeps the valid attachments and removes the others, whose namespaces are gone, there, or were never known', () =>
    onHost(async host => {
      const [valid, gone, there] = [await host.container(), await host.container(), await host.container()];
      const kept = attachment(host, valid, { port: 8081 });
      const result = expectResult(await add(kept), cniVersion);
      const before = await host.snapshot();
      expectResult(await add(attachment(host, gone, { port: 8082 })), cniVersion);
      expectResult(await add(attachment(host, there, { port: 8083 })), cniVersion);
      await host.lose(gone);
      const answer = await gc(host, kept.network, [kept]);
      if (refused(answer)) return;
      expect({ status: answer.status, stdout: answer.stdout }).toEqual({ status: 0, stdout: '' });
      expect(left(before, await host.snapshot(), [/^container /])).toEqual([]);
      expect(await output('ip', '-n', there.name, '-br', 'link')).not.toContain('eth0');
      expectMatch(await check(kept, result), { status: 0 });
    }));

  test('with nothing valid, all goes; and again', () =>
    onHost(async host => {
      const [one, other] = [await host.container(), await host.container()];
      const before = await host.snapshot();
      const first = attachment(host, one, { port: 8081 });
      for (const made of [first, attachment(host, other, { port: 8082 })]) expectResult(await add(made), cniVersion);
      for (const _ of [1, 2]) {
        const answer = await gc(host, first.network, []);
        if (refused(answer)) return;
        expectMatch(answer, { status: 0, stdout: '' });
        expect(left(before, await host.snapshot())).toEqual([]);
      }
    }));

  test('tells the interfaces of a container apart', () =>
    onHost(async host => {
      const container = await host.container();
      const kept = attachment(host, container, { ifName: 'eth0', port: 8081 });
      const result = expectResult(await add(kept), cniVersion);
      const before = await host.snapshot();
      expectResult(await add(attachment(host, container, { ifName: 'eth1', port: 8082 })), cniVersion);
      if (refused(await gc(host, kept.network, [kept]))) return;
      expect(left(before, await host.snapshot())).toEqual([]);
      expectMatch(await check(kept, result), { status: 0 });
    }));

  test('leaves other networks alone, also one whose name begins with this one’s', () =>
    onHost(async host => {
      const [one, other] = [await host.container(), await host.container()];
      const elsewhere = attachment(host, one, { network: 'net-2', port: 8081 });
      const result = expectResult(await add(elsewhere), cniVersion);
      const before = await host.snapshot();
      // The same range, so that the address has to be another.
      const here = attachment(host, other, { network: 'net', port: 8082 });
      const subnet = bridge(host, { bridge: 'br1', isGateway: true, ipMasq: true }, {}, ['10.78.0.0/24']);
      here.network.plugins[0] = subnet;
      expectResult(await add(here), cniVersion);
      if (refused(await gc(host, here.network, []))) return;
      expect(left(before, await host.snapshot())).toEqual([]);
      expectMatch(await check(elsewhere, result), { status: 0 });
    }));

  test('on a host where nothing was ever added', () =>
    onHost(async host => {
      const before = await host.snapshot();
      const answer = await gc(host, { cniVersion, name: 'net', plugins: plugins(host) }, []);
      if (refused(answer)) return;
      expectMatch(answer, { status: 0, stdout: '' });
      expect(left(before, await host.snapshot())).toEqual([]);
    }));
});

describe('STATUS', () => {
  const alone = (plugin: Plugin) => ({ cniVersion, name: 'net', plugins: [plugin] });

  test.each(['bridge', 'portmap', 'firewall', 'host-local', 'loopback', 'static'])('%s is ready', type =>
    onHost(async host => {
      const ipam = { type: 'host-local', ipam: hostLocal(host) };
      const own: Record<string, Plugin> = {
        bridge: bridge(host),
        'host-local': ipam,
        static: { type: 'static', ipam: { type: 'static', addresses: [{ address: '10.77.0.2/24' }] } },
      };
      const answer = await status(host, alone(own[type] ?? { type }));
      if (refused(answer)) return;
      expect({ status: answer.status, stdout: answer.stdout }).toEqual({ status: 0, stdout: '' });
    }),
  );

  test('an IPAM plugin that is not installed: not available', () =>
    onHost(async host => {
      const answer = await status(host, alone({ type: 'bridge', bridge: 'br0', ipam: { type: 'nowhere' } }));
      if (!refused(answer)) expectError(answer, { code: 50, msg: /nowhere/ }, cniVersion);
    }));

  test('something else has the bridge’s name: not available', () =>
    onHost(async host => {
      await host.ip('link', 'add', 'br0', 'type', 'veth', 'peer', 'name', 'br1');
      const answer = await status(host, alone(bridge(host)));
      if (!refused(answer)) expectError(answer, { code: 50, msg: /br0.*kind veth/ }, cniVersion);
    }));

  test('no address is left: not available', () =>
    onHost(async host => {
      const plugin = bridge(host, {}, { ranges: [[{ subnet: '10.77.0.0/30' }]] });
      await Bun.write(`${host.folder}/ipam/net/10.77.0.2`, 'somebody\r\neth0');
      const answer = await status(host, alone(plugin));
      if (refused(answer)) return;
      expectError(answer, { code: 50, msg: /address/ }, cniVersion);
      rmSync(`${host.folder}/ipam/net/10.77.0.2`);
      expectMatch(await status(host, alone(plugin)), { status: 0 });
    }));
});
