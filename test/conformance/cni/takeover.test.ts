/** host-local's folder: the plugin under test and the reference plugin go on where the other has left off. */
import { describe, expect, test } from 'bun:test';
import { attachmentOf, expectError, expectMatch, expectResult, left, onHost } from './case.ts';
import { hostLocal, V4, V6 } from './configs.ts';
import type { Host } from './host.ts';
import { path } from './implementation.ts';
import { type Attachment, configOf } from './network.ts';
import { execute, type Json } from './plugin.ts';
import { addressOf } from './views.ts';

const REFERENCE = '/usr/lib/cni';

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
