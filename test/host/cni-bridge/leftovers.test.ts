/** After a detach nothing of the attachment is left, and after a removal nothing of the network, however they got lost before. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import type { AttachRequest, NetworkDefinition, PortMapping } from '../../../src/kernel/backends/index.ts';
import { context, eventually } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { addresses, links } from '../observe/network.ts';
import { filesBelow } from '../observe/system.ts';
import { CONFIG_PATH, cleanHost, cniFolders, defined, testBackend } from './backend.ts';

const IMPLEMENTATIONS = ['built-in', 'exec'] as const;
/** One installation; networks are the same, whoever attaches to them. */
const runPath = '/tmp/kuke-leftovers';
const backends = {
  'built-in': testBackend({ runPath }),
  exec: testBackend({ runPath, config: { cniPlugins: 'exec' } }),
};
let { backend, warnings } = backends['built-in'];
let empty: Inventory;
let network: NetworkDefinition;
let request: AttachRequest;
let serial = 0;

const NETNS = '/run/netns/kuke-cell';
const cacheFile = () => `/var/lib/cni/results/${network.name}-${request.attachmentId}-eth0`;
const attach = () => backend.attach(request, context());
const detach = () => backend.detach(request, context());
/** What `ip netns delete` and a reboot do; the kernel takes the veth a little later. */
const loseNetns = () => output('ip', 'netns', 'delete', 'kuke-cell');

beforeAll(async () => {
  // Rules of somebody else, who uses the same plugin.
  for (const table of ['iptables', 'iptables-legacy']) {
    await output(table, '-t', 'nat', '-N', 'CNI-of-podman');
    const comment = ['-m', 'comment', '--comment', 'name: "podman" id: "cell-1"'];
    await output(table, '-t', 'nat', '-A', 'POSTROUTING', '-s', '10.1.2.3', ...comment, '-j', 'CNI-of-podman');
  }
  await backend.open({ path: NETNS }, context()); // makes /run/netns a mount, for good
  await backend.close({ path: NETNS }, context());
  empty = await inventory();
});
afterAll(cleanHost);

beforeEach(async () => {
  warnings.length = 0;
  network = await defined(backend, 'default');
  const { name, configPath } = network;
  request = { name, configPath, netns: NETNS, interface: 'eth0', attachmentId: `cell-${++serial}` };
  await backend.open({ path: NETNS }, context());
});

/** A folder with a plugin of that name that refuses to take away anything. */
function withBroken(plugin: string): string {
  const folder = '/opt/broken-cni';
  mkdirSync(folder, { recursive: true });
  const refusal = '{"cniVersion":"1.0.0","code":999,"msg":"somebody holds the xtables lock"}';
  writeFileSync(`${folder}/${plugin}`, `#!/bin/sh\necho '${refusal}'; exit 1\n`, { mode: 0o755 });
  return folder;
}

const nat = async (table: string) => (await output(table, '-t', 'nat', '-S')).split('\n');

/** The host's end of an attachment, its address and its rules: what `exec` finds in iptables, and `built-in` in nftables. */
const rulesOf = async (by: (typeof IMPLEMENTATIONS)[number], id: string) => {
  const text = by === 'exec' ? await output('iptables', '-t', 'nat', '-S') : await output('nft', 'list', 'ruleset');
  return text.split('\n').filter(line => line.includes(id));
};

describe.each([...IMPLEMENTATIONS])('an attachment by plugins that are %s', by => {
  let before: Inventory;
  beforeEach(async () => {
    ({ backend, warnings } = backends[by]);
    warnings.length = 0;
    // The bridge and the folders of CNI stay while the network does.
    await attach();
    await detach();
    before = await inventory();
    request = { ...request, attachmentId: `${request.attachmentId}-x` };
  });
  const expectNothingLeft = async () => {
    await backend.open({ path: NETNS }, context());
    expect(difference(before, await inventory())).toEqual([]);
    expect(await links('kuke-cell')).toHaveLength(1);
  };

  test('is seen from outside, and goes', async () => {
    const { addresses: given } = await attach();
    const inside = (await addresses('kuke-cell')).find(({ ifname, family }) => ifname === 'eth0' && family === 'inet');
    expect(given).toEqual([`${inside?.local}/16`]);
    expect((await links()).find(({ ifname }) => ifname.startsWith('veth'))).toMatchObject({ master: network.bridge });
    expect(readFileSync(`/var/lib/cni/networks/${network.name}/${inside?.local}`, 'utf8')).toContain(
      request.attachmentId,
    );
    expect(await rulesOf(by, request.attachmentId)).not.toEqual([]);
    await detach();
    await expectNothingLeft();
    expect(warnings).toEqual([]);
  });

  test('whose namespace is gone', async () => {
    await attach();
    await loseNetns();
    await detach();
    await expectNothingLeft();
  });

  test('whose namespace has lost its name while a process lives in it', async () => {
    await attach();
    await using sleeper = Bun.spawn(['ip', 'netns', 'exec', 'kuke-cell', 'sleep', '60']);
    while (!readFileSync(`/proc/${sleeper.pid}/cmdline`, 'utf8').startsWith('sleep')) await Bun.sleep(5);
    await loseNetns();
    expect((await links()).filter(({ ifname }) => ifname.startsWith('veth'))).toHaveLength(1);
    await detach();
    expect((await links()).filter(({ ifname }) => ifname.startsWith('veth'))).toEqual([]);
    sleeper.kill();
    await sleeper.exited;
    await expectNothingLeft();
  });

  test('whose address somebody in the cell has removed', async () => {
    const { addresses: given } = await attach();
    await output('ip', '-n', 'kuke-cell', 'addr', 'del', `${given[0]}`, 'dev', 'eth0');
    await detach();
    await expectNothingLeft();
  });

  test('whose cached result is lost, or broken', async () => {
    await attach();
    unlinkSync(cacheFile());
    await detach();
    await expectNothingLeft();
    await attach();
    writeFileSync(cacheFile(), '{ "kind": ');
    expect((await backend.observe({ configPaths: [] })).problems).toMatchObject([{ path: cacheFile() }]);
    await detach();
    await expectNothingLeft();
    expect((await backend.observe({ configPaths: [] })).problems).toEqual([]);
  });

  test('that was killed half-way is taken back, or made anew under its id', async () => {
    const half = async () => {
      await attach();
      unlinkSync(cacheFile());
    };
    await half();
    expect((await attach()).attachmentId).toBe(request.attachmentId);
    expect((await backend.observe({ configPaths: [] })).attachments).toMatchObject([{ present: true }]);
    await detach();
    await expectNothingLeft();
  });

  test('that a reboot has left behind, under its id, with the result and without', async () => {
    for (const lost of [false, true]) {
      await attach();
      await loseNetns();
      await output('ip', 'link', 'delete', network.bridge);
      await output('nft', 'flush', 'ruleset');
      if (lost) unlinkSync(cacheFile());
      await backend.open({ path: NETNS }, context());
      expect((await attach()).addresses).toHaveLength(1);
      // It has put the rules back as well.
      const { networks } = await backend.observe({ configPaths: [CONFIG_PATH] });
      expect(networks).toMatchObject([{ enforced: true, bridgeExists: true }]);
      await detach();
    }
    const flushed = /^nft ip nat (rule POSTROUTING|chain CNI-of-podman)/;
    expect(difference(before, await inventory(), [flushed])).toEqual([]);
  });
});

describe('an attachment by the reference plugins', () => {
  const PORTS: PortMapping[] = [
    { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
    { hostPort: 8080, containerPort: 53, protocol: 'udp' },
  ];
  let before: Inventory;
  beforeEach(async () => {
    ({ backend, warnings } = backends.exec);
    // The chains that all published ports have together stay.
    request = { ...request, ports: PORTS };
    await attach();
    await detach();
    before = await inventory();
    request = { ...request, attachmentId: `${request.attachmentId}-x` };
  });
  afterAll(() => output('nft', 'flush', 'ruleset'));
  /** As the kernel asks for it when nothing is known any more of what the attachment was to be. */
  const detachUnknown = () => {
    const { ports: _, ...rest } = request;
    return backend.detach(rest, context());
  };
  const expectNothingLeft = async () => {
    await backend.open({ path: NETNS }, context());
    expect(difference(before, await inventory())).toEqual([]);
  };

  test('whose plugins are gone: kuke does without, and says so', async () => {
    await attach();
    const { backend: without, warnings: told } = testBackend({
      runPath,
      config: { cniPlugins: 'exec', cniPath: ['/nowhere'] },
    });
    await without.detach(request, context());
    expect(told).toEqual([expect.stringContaining('there is no such plugin in /nowhere')]);
    await expectNothingLeft();
  });

  test('with ports, that was killed before anybody knew of it', async () => {
    await attach();
    unlinkSync(cacheFile());
    expect(await output('iptables', '-t', 'nat', '-S')).toContain('--dports 8080 -j CNI-DN-');
    await detachUnknown();
    await expectNothingLeft();
    expect(warnings).toEqual([]);
  });

  test('with ports, that was killed before a rule led to them', async () => {
    await attach();
    unlinkSync(cacheFile());
    await output('iptables', '-t', 'nat', '-F', 'CNI-HOSTPORT-DNAT');
    expect(await output('iptables', '-t', 'nat', '-S')).toContain('-N CNI-DN-');
    await detachUnknown();
    await expectNothingLeft();
  });

  test('with ports, whose portmap cannot take them away: kuke does, and says so', async () => {
    await attach();
    const { backend: without, warnings: told } = testBackend({
      runPath,
      config: { cniPlugins: 'exec', cniPath: [withBroken('portmap'), '/usr/lib/cni'] },
    });
    await without.detach(request, context());
    expect(told).toEqual([expect.stringContaining('xtables lock')]);
    await expectNothingLeft();
  });

  test('whose kuke has meanwhile come to use its own', async () => {
    await attach();
    await backends['built-in'].backend.detach(request, context());
    await expectNothingLeft();
    expect(backends['built-in'].warnings).toEqual([]);
  });

  test('whose masquerading rules are in iptables of old', async () => {
    symlinkSync('/usr/sbin/iptables-legacy', '/usr/local/sbin/iptables');
    try {
      const before = await nat('iptables-legacy');
      await attach();
      expect((await nat('iptables-legacy')).filter(line => line.includes(request.attachmentId))).toHaveLength(5);
      await loseNetns();
      // The kernel takes the interfaces of a namespace away some time after it.
      await eventually(async () => (await links()).every(({ ifname }) => !ifname.startsWith('veth')) || undefined);
      unlinkSync(cacheFile());
      await detachUnknown();
      expect((await nat('iptables-legacy')).filter(line => !line.includes('CNI-HOSTPORT-'))).toEqual(before);
    } finally {
      unlinkSync('/usr/local/sbin/iptables');
    }
    await expectNothingLeft();
  });
});

describe('a network', () => {
  beforeEach(() => {
    ({ backend, warnings } = backends['built-in']);
  });

  const remove = () => backend.remove(network, context());
  const expectNothing = async () => {
    const flushed = /^nft ip nat (rule POSTROUTING|chain CNI-of-podman)/;
    expect(difference(empty, await inventory(), [cniFolders, flushed])).toEqual([]);
  };

  test('goes with its bridge, rules and reservations; others stay', async () => {
    const other = await defined(backend, 'other');
    await attach();
    await detach();
    await backend.close({ path: NETNS }, context());
    expect((await links()).filter(({ linkinfo }) => linkinfo?.info_kind === 'bridge')).toHaveLength(1);
    await remove();
    const { networks } = await backend.observe({ configPaths: [CONFIG_PATH] });
    expect(networks).toEqual([{ ...other, ours: true, bridgeExists: false, enforced: true }]);
    await backend.remove(other, context());
    await expectNothing();
  });

  test('with attachments that nobody has detached', async () => {
    await attach();
    await backend.close({ path: NETNS }, context());
    await remove();
    await expectNothing();
  });

  test('of whose attachments nobody knows any more: the elements of its plugins carry its name', async () => {
    const ports = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' as const }];
    await backend.attach({ ...request, ports }, context());
    rmSync('/var/lib/cni/results', { recursive: true });
    await backend.close({ path: NETNS }, context());
    expect(await output('nft', 'list', 'ruleset')).toContain(`${network.name} ${request.attachmentId}/eth0`);
    await remove();
    await expectNothing();
  });

  test('whose conflist is lost: its mark is on all of it', async () => {
    await attach();
    await detach();
    await backend.close({ path: NETNS }, context());
    rmSync(`${CONFIG_PATH}/${network.name}.conflist`);
    await remove();
    await expectNothing();
  });

  test('with a folder for conflists of its own', async () => {
    await backend.close({ path: NETNS }, context());
    await remove();
    const configPath = '/srv/cni/spaces';
    mkdirSync('/srv/cni');
    const { notes: _, ...there } = await backend.choose({ realm: 'main', space: 'there', configPath });
    await backend.define(there, context());
    // Its range counts, although the folder is no one's default.
    expect((await backend.choose({ realm: 'main', space: 'here' })).subnet).not.toBe(there.subnet);
    expect(filesBelow(configPath)).toEqual([`${configPath}/main-there.conflist`]);
    await backend.remove(there, context());
    expect(filesBelow(configPath)).toEqual([]);
    await expectNothing();
  });
});
