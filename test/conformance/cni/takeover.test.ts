/** The plugins under test and the reference plugins go on where the other has left off. */
import { describe, expect, test } from 'bun:test';
import { attachmentOf, expectError, expectMatch, expectResult, left, onHost } from './case.ts';
import { bridge, hostLocal, V4, V6 } from './configs.ts';
import { differences } from './differences.ts';
import type { Container, Host } from './host.ts';
import { has, path } from './implementation.ts';
import { type Attachment, add, configOf, del } from './network.ts';
import { execute, type Json } from './plugin.ts';
import { ask, PORT, serve } from './traffic.ts';
import { addressOf, rulesAbout } from './views.ts';

const REFERENCE = '/usr/lib/cni';
/** What they make once for all, and leave. */
const REFERENCE_LEAVES = [...differences['chains stay'].leaves, ...differences['route_localnet stays'].leaves];

interface Pod {
  attachment: Attachment;
  container: Container;
  result: Json;
}

/** One verb of the host-local in a folder. */
async function call(
  folder: string,
  command: string,
  { host, containerId, netns, ifName, network }: Attachment,
  prevResult?: Json,
) {
  const [plugin = { type: 'host-local' }] = network.plugins;
  const env = { CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: ifName };
  const stdin = configOf(network, plugin, {}, prevResult && { prevResult });
  return await execute({ type: 'host-local', folder, env, stdin, host: host.name });
}

async function attachments(host: Host, count: number, ranges: object[][]): Promise<Attachment[]> {
  const containers = await Promise.all(Array.from({ length: count }, () => host.container()));
  const plugins = () => [{ type: 'host-local', ipam: hostLocal(host, { ranges }) }];
  return containers.map(container => attachmentOf({ name: '', plugins }, host, container));
}

const both = [[{ subnet: V4 }], [{ subnet: V6 }]];

describe.each([
  ['the reference plugin’s is taken over', REFERENCE, path],
  ['the reference plugin takes over', path, REFERENCE],
])('%s', (_, before, after) => {
  test('a reservation is found, checked and released', () =>
    onHost(async host => {
      const [made] = (await attachments(host, 1, both)) as [Attachment];
      const clean = await host.snapshot();
      const result = expectResult(await call(before, 'ADD', made), '1.0.0');
      expectMatch(await call(after, 'CHECK', made, result), { status: 0, stdout: '' });
      expectError(await call(after, 'ADD', made), { code: 999, msg: /10\.77\.0\.2/ });
      expectMatch(await call(after, 'DEL', made), { status: 0, stdout: '' });
      expect((await host.snapshot()).filter(line => /10\.77\.0\.2$|fd77::2$/.test(line))).toEqual([]);
      // To the one before it is gone too.
      expectMatch(await call(before, 'DEL', made), { status: 0, stdout: '' });
      expect(addressOf(expectResult(await call(before, 'ADD', made), '1.0.0'))).toBe('10.77.0.3');
      await call(after, 'DEL', made);
      expect(left(clean, await host.snapshot(), [/\.by-id\/$/])).toEqual([]);
    }));

  test('addresses go on in turn, and none is given twice', () =>
    onHost(async host => {
      const rows = await attachments(host, 5, [[{ subnet: '10.77.0.0/29' }]]);
      const given: string[] = [];
      for (const [index, row] of rows.entries()) {
        given.push(addressOf(expectResult(await call(index % 2 === 0 ? before : after, 'ADD', row), '1.0.0')));
      }
      expect(given).toEqual([2, 3, 4, 5, 6].map(last => `10.77.0.${last}`));
      const [extra] = (await attachments(host, 1, [[{ subnet: '10.77.0.0/29' }]])) as [Attachment];
      for (const folder of [before, after]) {
        expectError(await call(folder, 'ADD', extra), { code: 999, msg: /no IP addresses available/ });
      }
      // Released by the other, it is free for everyone.
      await call(after, 'DEL', rows[2] as Attachment);
      expect(addressOf(expectResult(await call(before, 'ADD', extra), '1.0.0'))).toBe('10.77.0.4');
    }));

  test('side by side: the lock is the same', () =>
    onHost(async host => {
      const rows = await attachments(host, 20, both);
      const answers = await Promise.all(rows.map((row, index) => call(index % 2 === 0 ? before : after, 'ADD', row)));
      const given = answers.map(answer => addressOf(expectResult(answer, '1.0.0')));
      expect(new Set(given).size).toBe(20);
    }));
});

describe('pods of the reference plugins whose DEL is that of the plugins under test', () => {
  const plugins = (host: Host) => [
    bridge(host, { isDefaultGateway: true, ipMasq: true }),
    { type: 'portmap', capabilities: { portMappings: true } },
    { type: 'firewall' },
  ];

  async function pods(host: Host): Promise<Pod[]> {
    const made: Pod[] = [];
    for (const hostPort of [8080, 8081]) {
      const container = await host.container();
      const runtimeConfig = { portMappings: [{ hostPort, containerPort: PORT, protocol: 'tcp' }] };
      const attachment = attachmentOf({ name: '', plugins, runtimeConfig }, host, container);
      const result = expectResult(await add({ ...attachment, folder: REFERENCE }), '1.0.0');
      made.push({ attachment, container, result });
    }
    return made;
  }

  test('what the one had goes, and the other is reached as before', () =>
    onHost(async host => {
      const before = await host.snapshot();
      const [one, other] = (await pods(host)) as [Pod, Pod];
      await using _ = await serve(other.container.name);
      const reached = async () => [
        await ask(host.name, 'tcp', '127.0.0.1', 8081),
        await ask(host.name, 'tcp', '10.77.0.3'),
      ];
      const [published] = await reached();
      expect(published).toBe('10.77.0.1');
      expectMatch(await del(one.attachment, one.result), { status: 0, stdout: '' });
      expect(await reached()).toEqual(['10.77.0.1', '10.77.0.1']);
      expect(await rulesAbout(host.name, '10.77.0.2')).toEqual([]);
      expect(await rulesAbout(host.name, '8080')).toEqual([]);
      expectMatch(await del(other.attachment, other.result), { status: 0, stdout: '' });
      expect(left(before, await host.snapshot(), [...REFERENCE_LEAVES, /^container link lo$/])).toEqual([]);
    }));

  test('also where their namespaces are gone', () =>
    onHost(async host => {
      const made = await pods(host);
      for (const { container } of made) await host.lose(container);
      for (const { attachment, result } of made)
        expectMatch(await del({ ...attachment, netns: '' }, result), { status: 0, stdout: '' });
      for (const what of ['10.77.0.2', '10.77.0.3', '8080', '8081']) {
        const known = has('NAT rules by address') ? /POSTROUTING/ : /^$/;
        expect((await rulesAbout(host.name, what)).filter(rule => !known.test(rule))).toEqual([]);
      }
    }));

  test('where both have pods on a bridge, theirs stay published on 127.0.0.1 after the last of ours', () =>
    onHost(async host => {
      const [one] = (await pods(host)) as [Pod];
      const container = await host.container();
      const runtimeConfig = { portMappings: [{ hostPort: 8082, containerPort: PORT, protocol: 'tcp' }] };
      const own = attachmentOf({ name: '', plugins, runtimeConfig }, host, container);
      const result = expectResult(await add(own), '1.0.0');
      await using _ = await serve(one.container.name);
      expectMatch(await del(own, result), { status: 0, stdout: '' });
      expect(await ask(host.name, 'tcp', '127.0.0.1', 8080)).toBe('10.77.0.1');
    }));
});
