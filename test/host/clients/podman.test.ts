/** podman with its CNI backend: networks of its own making, pods with published ports, restarts, flushed rules, and what is left. */
import { beforeAll, describe, expect, test } from 'bun:test';
import { basename } from 'node:path';
import { createCniRuntime } from '../../../src/cni/runtime.ts';
import { makeOutside, OUTSIDE, OUTSIDE6, UPLINK, UPLINK6 } from '../cni-bridge/packets.ts';
import { output } from '../observe/command.ts';
import type { Inventory } from '../observe/inventory.ts';
import { addresses, links } from '../observe/network.ts';
import { folderOf, install, REFERENCE, SETS } from './plugins.ts';
import { type Attached, attached, type Podman, rebootPodman, runPod, startPodman } from './podman.ts';
import { AS_LISTED, leftovers, type Reasons, renew, state } from './state.ts';
import { ask, asking, IMAGE, readAnswer, untilServing } from './web.ts';

const NETWORKS = {
  red: { subnets: ['10.99.0.0/24', 'fd00:99::/64'], gateway: '10.99.0.1' },
  green: { subnets: ['10.98.0.0/24', 'fd00:98::/64'], gateway: '10.98.0.1' },
} as const;
type Network = keyof typeof NETWORKS;

/** Besides what it always leaves. */
const LEFT_BY_REFERENCE: Reasons = {
  'rules of networks that are gone': /^\+ nft ip6? filter chain CNI-ISOLATION-STAGE-[12]/,
  'the result of the attachment whose DEL failed after the flush': /^\+ file \/var\/lib\/cni\/results\/red-/,
};

beforeAll(async () => {
  await makeOutside();
  await install();
});

describe.each(SETS)('with the plugins of %s', plugins => {
  const own = plugins === 'kuke';
  let podman: Podman;
  let before: Inventory;
  const pods = new Map<string, Attached>();
  const pod = (name: string) => pods.get(name) as Attached;

  async function createNetwork(name: Network): Promise<void> {
    const subnets = NETWORKS[name].subnets.flatMap(subnet => ['--subnet', subnet]);
    await podman('network', 'create', '--disable-dns', '--ipv6', ...subnets, '-o', 'isolate=true', name);
  }

  async function run(name: string, network: Network, ...options: string[]): Promise<void> {
    await runPod(podman, name, '--network', network, ...options);
    pods.set(name, await attached(podman, name, network));
  }

  /** From a pod's container. */
  async function askIn(name: string, address: string, port = 80, seconds?: number): Promise<string> {
    return readAnswer((await podman.run('exec', `${name}-web`, ...asking(address, port, seconds))).stdout);
  }

  /** A pod answers on a port of the host: asked on the host by its loopback and its addresses, and from beyond it. */
  async function expectPublished(port: number, name: string, network: Network): Promise<void> {
    const ways = [
      [undefined, '127.0.0.1', NETWORKS[network].gateway],
      [undefined, UPLINK, UPLINK],
      ['outside', UPLINK, OUTSIDE],
      [undefined, UPLINK6, UPLINK6],
      ['outside', UPLINK6, OUTSIDE6],
    ] as const;
    const answers = await Promise.all(ways.map(([from, address]) => ask(from, address, port)));
    expect(answers).toEqual(ways.map(([, , seen]) => `${name} ${seen}`));
  }

  beforeAll(async () => {
    podman = await startPodman(folderOf[plugins]);
    await renew();
    before = await state();
    await createNetwork('red');
    await createNetwork('green');
    await run('a', 'red', '-p', '8080:80');
    await run('b', 'red');
    await run('c', 'green', '-p', '8081:80');
  });

  test('pods have an address of each family', () => {
    expect(pod('a')).toMatchObject({ v4: '10.99.0.2', v6: 'fd00:99::2' });
    expect(pod('b')).toMatchObject({ v4: '10.99.0.3', v6: 'fd00:99::3' });
    expect(pod('c')).toMatchObject({ v4: '10.98.0.2', v6: 'fd00:98::2' });
  });

  test('published ports are reached from everywhere', async () => {
    await expectPublished(8080, 'a', 'red');
    await expectPublished(8081, 'c', 'green');
  });

  test('pods of one network reach each other, and a published port, also their own', async () => {
    const [a, b] = [pod('a'), pod('b')];
    expect(await Promise.all([askIn('b', a.v4), askIn('b', a.v6)])).toEqual([`a ${b.v4}`, `a ${b.v6}`]);
    expect(await Promise.all([askIn('a', b.v4), askIn('a', b.v6)])).toEqual([`b ${a.v4}`, `b ${a.v6}`]);
    expect(await Promise.all([askIn('a', UPLINK, 8080), askIn('b', UPLINK, 8080)])).toEqual([
      expect.stringMatching(/^a /),
      expect.stringMatching(/^a /),
    ]);
  });

  test('pods of isolated networks do not, nor their published ports', async () => {
    const ways = [
      askIn('a', pod('c').v4, 80, 1),
      askIn('a', pod('c').v6, 80, 1),
      askIn('c', pod('a').v4, 80, 1),
      askIn('c', pod('a').v6, 80, 1),
      askIn('a', UPLINK, 8081, 1),
      askIn('c', UPLINK, 8080, 1),
    ];
    expect(await Promise.all(ways)).toEqual(ways.map(() => ''));
  });

  test('a pod is restarted, and killed and started', async () => {
    for (const commands of [['restart'], ['kill', 'start']]) {
      for (const command of commands) await podman('pod', command, 'a');
      pods.set('a', await attached(podman, 'a', 'red'));
      await expectPublished(8080, 'a', 'red');
      expect(await askIn('b', pod('a').v4)).toBe(`a ${pod('b').v4}`);
    }
  });

  test('requested addresses, IP and MAC; a second network comes and goes', async () => {
    const mac = '92:d0:c6:0a:29:33';
    const requested = ['--ip', '10.99.0.77', '--ip6', 'fd00:99::77', '--mac-address', mac];
    await podman('run', '-d', '--name', 'd-web', '--network', 'red', ...requested, IMAGE, '/serve');
    const name = basename(await podman('inspect', '-f', '{{.NetworkSettings.SandboxKey}}', 'd-web'));
    await untilServing(name);
    const interfaces = async () =>
      (await addresses(name))
        .filter(({ scope, ifname }) => scope === 'global' && ifname !== 'lo')
        .map(({ ifname, local }) => `${ifname} ${local}`)
        .sort();
    const first = ['eth0 10.99.0.77', 'eth0 fd00:99::77'];
    expect(await interfaces()).toEqual(first);
    expect((await links(name)).find(({ ifname }) => ifname === 'eth0')?.address).toBe(mac);
    expect(await askIn('b', '10.99.0.77')).toEndWith(` ${pod('b').v4}`);

    await podman('network', 'connect', 'green', 'd-web');
    expect(await interfaces()).toEqual([...first, 'eth1 10.98.0.3', 'eth1 fd00:98::3']);
    expect(await askIn('c', '10.98.0.3')).toEndWith(` ${pod('c').v4}`);
    await podman('network', 'disconnect', 'green', 'd-web');
    expect(await interfaces()).toEqual(first);
    await podman('rm', '-f', 'd-web');
  });

  test('somebody flushes all rules: CHECK tells, pods come and go, and a reload brings everything back', async () => {
    const runtime = createCniRuntime({ path: [folderOf[plugins], REFERENCE] });
    const check = (name: string) => {
      const { id, netns } = pod(name);
      const attachment = { network: 'red', containerId: id, ifName: 'eth0' };
      return runtime.check(attachment, { netns: `/run/netns/${netns}` }).then(() => 'ok', String);
    };
    // The reference portmap's CHECK fails in any case where there are two families.
    const fine = own ? 'ok' : expect.stringContaining('could not check ipv6 dnat');
    expect([await check('a'), await check('b')]).toEqual([fine, 'ok']);

    await output('nft', 'flush', 'ruleset');
    expect([await check('a'), await check('b')]).toEqual(
      own
        ? Array(2).fill(expect.stringContaining('bridge: masquerading (ipMasq): table inet kukeon is missing'))
        : [expect.stringContaining('could not check ipv4 dnat'), expect.stringContaining('plugin firewall: expected')],
    );
    expect(await ask(undefined, UPLINK, 8080, 1)).toBe('');

    await run('e', 'red', '-p', '8082:80');
    await expectPublished(8082, 'e', 'red');
    expect([await check('b'), await check('e')]).toEqual([
      own ? expect.stringContaining('sources { 10.99.0.3 }') : expect.stringContaining('firewall'),
      fine,
    ]);

    const { stderr } = await podman.run('pod', 'rm', '-f', 'b');
    expect(stderr).toEqual(own ? '' : expect.stringMatching(/bridge.* failed \(delete\)/));

    await podman('network', 'reload', '--all');
    await expectPublished(8080, 'a', 'red');
    await expectPublished(8081, 'c', 'green');
    await expectPublished(8082, 'e', 'red');
    expect([await check('a'), await check('e')]).toEqual([fine, fine]);
    expect(await Promise.all([askIn('a', pod('c').v4, 80, 1), askIn('c', UPLINK, 8080, 1)])).toEqual(['', '']);
  });

  test('a reboot', async () => {
    await rebootPodman(['cni-podman1', 'cni-podman2']);
    await podman('pod', 'start', 'a', 'c', 'e');
    for (const [name, network] of [
      ['a', 'red'],
      ['c', 'green'],
      ['e', 'red'],
    ] as const) {
      pods.set(name, await attached(podman, name, network));
    }
    await expectPublished(8080, 'a', 'red');
    await expectPublished(8081, 'c', 'green');
    expect(await askIn('e', pod('a').v6)).toBe(`a ${pod('e').v6}`);
    expect(await askIn('c', pod('a').v4, 80, 1)).toBe('');
  });

  test('the end', async () => {
    await podman('pod', 'rm', '-f', 'a', 'c', 'e');
    await podman('network', 'rm', 'red', 'green');
    expect(await leftovers(before, plugins, own ? {} : LEFT_BY_REFERENCE)).toEqual(AS_LISTED);
  });
});
