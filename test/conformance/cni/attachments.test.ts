/** Several attachments on one network: told apart by their ids, in nobody's way, reaching one another. */
import { describe, expect, test } from 'bun:test';
import { output } from '../../host/observe/command.ts';
import {
  attachmentOf,
  type Case,
  expectError,
  expectMatch,
  expectNothingAfterDel,
  expectResult,
  left,
  onHost,
} from './case.ts';
import { bridge, V4, V6 } from './configs.ts';
import type { Container, Host } from './host.ts';
import { has } from './implementation.ts';
import { type Attachment, add, check, del } from './network.ts';
import type { Json } from './plugin.ts';
import { ask, outsideOf, PORT, serve, UPLINK } from './traffic.ts';
import { addressesOf, addressOf } from './views.ts';

const OK = { status: 0, stdout: '' };
const plugins = (host: Host) => [
  bridge(host, { isDefaultGateway: true, ipMasq: true, macspoofchk: true }),
  { type: 'portmap', capabilities: { portMappings: true } },
  { type: 'firewall' },
];
const published = (hostPort: number) => ({ portMappings: [{ hostPort, containerPort: PORT, protocol: 'tcp' }] });

function attach(host: Host, container: Container, more: Partial<Case> = {}): Attachment {
  return attachmentOf({ name: '', plugins, ...more }, host, container);
}

/** CHECK where it can be trusted to be right. */
async function expectWhole(attachment: Attachment, result: Json): Promise<void> {
  const unpublished = { ...attachment, runtimeConfig: {} };
  expectMatch(await check(unpublished, result), OK);
}

describe('identity', () => {
  test('a second ADD of the same attachment fails, and the first is as it was', () =>
    onHost(async host => {
      const container = await host.container();
      const attachment = attach(host, container, { runtimeConfig: published(8080) });
      const before = await host.snapshot();
      const result = expectResult(await add(attachment), '1.0.0');
      const attached = await host.snapshot();
      const { json, status } = await add(attachment);
      expect({ status, code: typeof json?.code, msg: typeof json?.msg }).toEqual({
        status: 1,
        code: 'number',
        msg: 'string',
      });
      expect(await host.snapshot()).toEqual(attached);
      await expectWhole(attachment, result);
      await expectNothingAfterDel({ host, container, attachment, result }, before);
    }));

  test('a second ADD of it in another namespace fails, and the first is as it was', () =>
    onHost(async host => {
      const [container, other] = [await host.container(), await host.container()];
      const attachment = attach(host, container, { runtimeConfig: published(8080) });
      const before = await host.snapshot();
      const result = expectResult(await add(attachment), '1.0.0');
      const attached = await host.snapshot();
      expectError(await add({ ...attachment, netns: other.netns }), { code: 999, msg: /10\.77\.0\.2/ });
      const known = has('failed ADD leaves interfaces') ? [/^link veth/, /^container /, /cni-br-iface-/] : [];
      expect(left(attached, await host.snapshot(), known)).toEqual([]);
      expect(await addressesOf(container.name, 'eth0')).toEqual(['10.77.0.2/24']);
      await using _ = await serve(container.name);
      expect(await ask(host.name, 'tcp', '10.77.0.2')).toBe('10.77.0.1');
      await expectWhole(attachment, result);
      expectMatch(await del(attachment, result), OK);
      expect(left(before, await host.snapshot(), known)).toEqual([]);
    }));

  const LONG = 'a'.repeat(127);
  test.each([
    ['ids of 128 characters that differ in the last', { containerId: `${LONG}1` }, { containerId: `${LONG}2` }],
    ['ids that differ in case', { containerId: 'Pod' }, { containerId: 'pod' }],
    ['ids of which one begins with the other', { containerId: 'pod.1' }, { containerId: 'pod.10' }],
    [
      'an id and an interface that read the same together',
      { containerId: 'pod', ifName: 'eth0' },
      { containerId: 'pod-eth', ifName: '0' },
    ],
    [
      'networks of 100 characters that differ in the last',
      { network: `${LONG.slice(0, 99)}1` },
      { network: `${LONG.slice(0, 99)}2` },
    ],
  ] satisfies [string, Partial<Case>, Partial<Case>][])('%s are two attachments', (_, one, other) =>
    onHost(async host => {
      const containers = [await host.container(), await host.container()] as const;
      const before = await host.snapshot();
      const first = attach(host, containers[0], { ...one, runtimeConfig: published(8080) });
      const second = attach(host, containers[1], { ...other, runtimeConfig: published(8081) });
      if (first.network.name !== second.network.name) {
        second.network.plugins[0] = bridge(host, { bridge: 'br1', ipMasq: true, isGateway: true }, {}, [
          '10.78.0.0/24',
        ]);
      }
      const results = [expectResult(await add(first), '1.0.0'), expectResult(await add(second), '1.0.0')] as const;
      expectMatch(await del(first, results[0]), OK);
      await expectWhole(second, results[1]);
      expect(await addressesOf(containers[1].name, second.ifName)).toEqual([`${addressOf(results[1])}/24`]);
      expectMatch(await del(second, results[1]), OK);
      expect(left(before, await host.snapshot())).toEqual([]);
    }),
  );

  test('a namespace that is named by a process', () =>
    onHost(async host => {
      const container = await host.container();
      const process = Bun.spawn(['ip', 'netns', 'exec', container.name, 'sleep', '100'], {
        stdio: ['ignore', 'ignore', 'ignore'],
      });
      try {
        // `ip` is there a moment before it is `sleep`.
        while (!(await Bun.file(`/proc/${process.pid}/cmdline`).text()).startsWith('sleep')) await Bun.sleep(1);
        const netns = `/proc/${process.pid}/ns/net`;
        const attachment = attach(host, container, { netns });
        const before = await host.snapshot();
        const result = expectResult(await add(attachment), '1.0.0');
        expectMatch(result, { interfaces: [{}, {}, { name: 'eth0', sandbox: netns }] });
        expect(await addressesOf(container.name, 'eth0')).toEqual(['10.77.0.2/24']);
        await expectNothingAfterDel({ host, container, attachment, result }, before);
      } finally {
        process.kill('SIGKILL');
      }
    }));

  test('a late DEL whose namespace is another’s by now leaves the other alone', () =>
    onHost(async host => {
      const container = await host.container();
      const gone = attach(host, container, { containerId: 'gone' });
      const lost = expectResult(await add(gone), '1.0.0');
      await output('ip', 'netns', 'del', container.name);
      await output('ip', 'netns', 'add', container.name);
      const now = attach(host, container, { containerId: 'now' });
      const result = expectResult(await add(now), '1.0.0');
      const answer = await del(gone, lost);
      if (!has('DEL by the inner name')) expectMatch(answer, OK);
      const expected = has('DEL by the inner name') ? [] : [`${addressOf(result)}/24`];
      expect(await addressesOf(container.name, 'eth0')).toEqual(expected);
      if (expected.length > 0) await expectWhole(now, result);
    }));
});

describe('reaching one another', () => {
  test('neighbours, both families, TCP and UDP, with their own addresses', () =>
    onHost(async host => {
      const [one, other] = [await host.container(), await host.container()];
      const dual = () => [bridge(host, { isDefaultGateway: true, ipMasq: true }, {}, [V4, V6])];
      for (const container of [one, other])
        expectResult(await add(attach(host, container, { plugins: dual })), '1.0.0');
      await using _ = await serve(other.name);
      for (const protocol of ['tcp', 'udp'] as const) {
        expect(await ask(one.name, protocol, '10.77.0.3')).toBe('10.77.0.2');
        expect(await ask(one.name, protocol, 'fd77::3')).toBe('fd77::2');
      }
    }));

  test('a neighbour by its published port', () =>
    onHost(async host => {
      await outsideOf(host);
      const [one, other] = [await host.container(), await host.container()];
      for (const [container, port] of [
        [one, 8080],
        [other, 8081],
      ] as const) {
        expectResult(await add(attach(host, container, { runtimeConfig: published(port) })), '1.0.0');
      }
      await using _ = await serve(other.name);
      expect(await ask(one.name, 'tcp', UPLINK, 8081)).toBeDefined();
    }));

  test('a published port that is taken is refused, and free after the DEL of its owner', () =>
    onHost(async host => {
      const outside = await outsideOf(host);
      const [one, other] = [await host.container(), await host.container()];
      const first = attach(host, one, { runtimeConfig: published(8080) });
      const second = attach(host, other, { runtimeConfig: published(8080) });
      const result = expectResult(await add(first), '1.0.0');
      const answer = await add(second);
      if (has('portmap: taken ports unnoticed')) expectResult(answer, '1.0.0');
      else {
        expectError(answer, { code: Number(answer.json?.code), msg: /8080/ });
        await del(second);
      }
      await using _ = await serve(one.name);
      expect(await ask(outside, 'tcp', UPLINK, 8080)).toBeDefined();
      expectMatch(await del(first, result), OK);
      if (!has('portmap: taken ports unnoticed')) expectResult(await add(second), '1.0.0');
      await using __ = await serve(other.name);
      expect(await ask(outside, 'tcp', UPLINK, 8080)).toBeDefined();
    }));

  test.each([0, 1])(
    'a container in two networks keeps its published port when it leaves one of them: number %i',
    gone =>
      onHost(async host => {
        const container = await host.container();
        const before = await host.snapshot();
        const ranges = ['10.77.0.0/24', '10.78.0.0/24'] as const;
        const made: [Attachment, Json][] = [];
        for (const [index, range] of ranges.entries()) {
          const on = { bridge: `br${index}`, isGateway: true };
          const attachment = attach(host, container, {
            network: `net${index}`,
            ifName: `eth${index}`,
            plugins: () => [bridge(host, on, {}, [range]), ...plugins(host).slice(1)],
            runtimeConfig: published(8080),
          });
          made.push([attachment, expectResult(await add(attachment), '1.0.0')]);
        }
        const [leaving, staying] = (gone === 0 ? made : made.toReversed()) as [[Attachment, Json], [Attachment, Json]];
        await using _ = await serve(container.name);
        expect(await ask(host.name, 'tcp', '127.0.0.1', 8080)).toBeDefined();
        expectMatch(await del(...leaving), OK);
        expect(await ask(host.name, 'tcp', '127.0.0.1', 8080)).toBe(`10.7${8 - gone}.0.1`);
        if (!has('portmap: CHECK fails')) expectMatch(await check(...staying), OK);
        expectMatch(await del(...staying), OK);
        expect(left(before, await host.snapshot(), [/^container link lo$/])).toEqual([]);
      }),
  );

  test('with portIsolation neighbours do not reach each other, but the host and beyond', () =>
    onHost(async host => {
      const outside = await outsideOf(host);
      const [one, other] = [await host.container(), await host.container()];
      const isolated = () => [bridge(host, { isDefaultGateway: true, portIsolation: true })];
      for (const container of [one, other])
        expectResult(await add(attach(host, container, { plugins: isolated })), '1.0.0');
      await using _ = await serve(other.name);
      const expected = has('no portIsolation') ? '10.77.0.2' : undefined;
      expect(await ask(one.name, 'tcp', '10.77.0.3', PORT, 0.5)).toBe(expected as never);
      expect(await ask(outside, 'tcp', '10.77.0.3')).toBeDefined();
      expect(await ask(host.name, 'tcp', '10.77.0.3')).toBe('10.77.0.1');
    }));
});
