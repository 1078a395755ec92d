/** DEL whatever has become of the container: twice, without the namespace, without prevResult, on what was never added. */
import { describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { output } from '../../host/observe/command.ts';
import { attachmentOf, expectError, expectMatch, expectResult, left, onHost } from './case.ts';
import { bridge } from './configs.ts';
import type { Difference } from './differences.ts';
import type { Container, Host } from './host.ts';
import { has } from './implementation.ts';
import { type Attachment, add, del } from './network.ts';
import type { Json } from './plugin.ts';
import { interfaceOf } from './views.ts';

const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
const plugins = (host: Host) => [
  bridge(host, { isGateway: true, ipMasq: true, macspoofchk: true }),
  { type: 'portmap', capabilities: { portMappings: true } },
  { type: 'firewall' },
];

interface Situation {
  name: string;
  /** What happens between ADD and DEL; the attachment and the result that DEL is given. */
  happens: (
    host: Host,
    container: Container,
    attachment: Attachment,
    result: Json,
  ) => Promise<[Attachment, Json | undefined]>;
  /** Of those whose DEL fails then. */
  fails?: Difference;
  /** What stays, by difference. */
  leaves?: Partial<Record<Difference, RegExp[]>>;
}

const MASQUERADING = /CNI-[0-9a-f]{24}|"10\.77\.0\.2"|macspoofchk|chain bridge nat cni-br-iface-/;
/** Where the namespace is gone the kernel takes it away, some time after. */
const HOST_END = /^link veth\S+ br0 up/;
const FORWARDING = /CNI-FORWARD.*10\.77\.0\.2/;

const situations: Situation[] = [
  { name: 'as it should be', happens: async (_, __, attachment, result) => [attachment, result] },
  {
    name: 'somebody has given the end on the host another alias',
    async happens(host, _, attachment, result) {
      await host.ip('link', 'set', interfaceOf(result, 1).name, 'alias', 'uplink-of-c1');
      return [attachment, result];
    },
  },
  {
    name: 'without the result of ADD',
    happens: async (_, __, attachment) => [attachment, undefined],
    leaves: { 'firewall: rules by prevResult': [FORWARDING] },
  },
  {
    name: 'the namespace is gone',
    async happens(host, container, attachment, result) {
      await host.lose(container);
      return [attachment, result];
    },
    leaves: { 'NAT rules by address': [MASQUERADING], 'DEL by the inner name': [HOST_END] },
  },
  {
    name: 'the namespace is gone and CNI_NETNS is empty',
    async happens(host, container, attachment, result) {
      await host.lose(container);
      return [{ ...attachment, netns: '' }, result];
    },
    leaves: { 'NAT rules by address': [MASQUERADING], 'DEL by the inner name': [HOST_END] },
  },
  {
    name: 'CNI_NETNS is empty, the namespace is there',
    happens: async (_, __, attachment, result) => [{ ...attachment, netns: '' }, result],
    leaves: {
      'NAT rules by address': [MASQUERADING],
      'DEL by the inner name': [HOST_END, /^container /],
    },
  },
  {
    name: 'the namespace is gone, and there is no result',
    async happens(host, container, attachment) {
      await host.lose(container);
      return [{ ...attachment, netns: '' }, undefined];
    },
    leaves: {
      'NAT rules by address': [MASQUERADING],
      'DEL by the inner name': [HOST_END],
      'firewall: rules by prevResult': [FORWARDING],
    },
  },
  {
    name: 'a file that is no namespace is in its place',
    async happens(host, container, attachment, result) {
      await host.lose(container);
      const netns = `${host.folder}/file`;
      await Bun.write(netns, '');
      return [{ ...attachment, netns }, result];
    },
    fails: 'DEL of no namespace fails',
    leaves: {
      'NAT rules by address': [MASQUERADING],
      'DEL by the inner name': [HOST_END],
      'DEL of no namespace fails': [/10\.77\.0\.2/],
    },
  },
];

describe('DEL of bridge, portmap and firewall', () => {
  for (const { name, happens, fails, leaves = {} } of situations) {
    test(name, () =>
      onHost(async host => {
        const [gone, other] = [await host.container(), await host.container()];
        const row = { name, plugins, runtimeConfig: { portMappings } };
        const attachment = attachmentOf(row, host, gone);
        const before = await host.snapshot();
        const result = expectResult(await add(attachment), '1.0.0');
        const failing = fails !== undefined && has(fails);
        const [now, prevResult] = await happens(host, gone, attachment, result);
        for (const _ of [1, 2]) {
          const answer = await del(now, prevResult);
          if (failing) expectError(answer, 999);
          else expectMatch(answer, { status: 0, stdout: '' });
        }
        const known = Object.entries(leaves).flatMap(([difference, lines]) =>
          has(difference as Difference) ? lines : [],
        );
        const lost = [/^container /, /^file file$/];
        expect(left(before, await host.snapshot(), [...known, ...(host.containers.length < 2 ? lost : [])])).toEqual(
          [],
        );
        expect(existsSync(`${host.folder}/ipam/net/10.77.0.2`)).toBe(failing);
        // The next attachment finds nothing in its way.
        const next = await add({ ...attachmentOf(row, host, other), runtimeConfig: {} });
        expect(next.status).toBe(0);
      }),
    );
  }

  test('of what was never added', () =>
    onHost(async host => {
      const container = await host.container();
      const before = await host.snapshot();
      const attachment = attachmentOf({ name: '', plugins, runtimeConfig: { portMappings } }, host, container);
      for (const netns of [container.netns, '', '/run/netns/nobody']) {
        expectMatch(await del({ ...attachment, netns }), { status: 0, stdout: '' });
      }
      expect(left(before, await host.snapshot())).toEqual([]);
    }));

  test('of what was never added, where somebody has an interface of another kind by that name', () =>
    onHost(async host => {
      const container = await host.container();
      await output('ip', '-n', container.name, 'link', 'add', 'eth0', 'type', 'bridge');
      const before = await host.snapshot();
      const attachment = attachmentOf({ name: '', plugins }, host, container);
      expectMatch(await del(attachment), { status: 0, stdout: '' });
      const taken = has('DEL by the inner name') ? ['- container link eth0'] : [];
      expect(left(before, await host.snapshot())).toEqual(taken);
    }));

  test('takes away what is its own, not its neighbour’s', () =>
    onHost(async host => {
      const [one, other] = [await host.container(), await host.container()];
      const rows = [one, other].map((container, index) =>
        attachmentOf(
          {
            name: '',
            plugins,
            runtimeConfig: { portMappings: [{ hostPort: 8080 + index, containerPort: 80, protocol: 'tcp' }] },
          },
          host,
          container,
        ),
      );
      const [first, second] = [rows[0] as Attachment, rows[1] as Attachment];
      const result = expectResult(await add(first), '1.0.0');
      const before = await host.snapshot();
      const others = expectResult(await add(second), '1.0.0');
      expectMatch(await del(second, others), { status: 0, stdout: '' });
      expect(left(before, await host.snapshot())).toEqual([]);
      expectMatch(await del(first, result), { status: 0, stdout: '' });
    }));

  test('of one of two interfaces of a container', () =>
    onHost(async host => {
      const container = await host.container();
      const one = attachmentOf({ name: '', plugins, ifName: 'eth0' }, host, container);
      const other = attachmentOf({ name: '', plugins, ifName: 'eth1' }, host, container);
      const result = expectResult(await add(one), '1.0.0');
      const before = await host.snapshot();
      const others = expectResult(await add(other), '1.0.0');
      if (has('a chain for all interfaces')) return expectError(await del(other, others), 999);
      expectMatch(await del(other, others), { status: 0, stdout: '' });
      expect(left(before, await host.snapshot())).toEqual([]);
      expectMatch(await del(one, result), { status: 0, stdout: '' });
    }));
});
