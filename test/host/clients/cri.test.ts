/** containerd's CRI, as a kubelet uses it: pods with published ports, restarts of all sorts, flushed rules, lost namespaces, what is left. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { createCniRuntime } from '../../../src/cni/runtime.ts';
import { makeOutside, OUTSIDE, OUTSIDE6, UPLINK, UPLINK6 } from '../cni-bridge/packets.ts';
import type { Containerd } from '../containerd.ts';
import { output } from '../observe/command.ts';
import { ctr } from '../observe/containerd.ts';
import type { Inventory } from '../observe/inventory.ts';
import { type Cri, execIn, type Pod, removePod, runPod, untilInitialized } from './cri.ts';
import { BRIDGE, LOG, prepare, startCri } from './cri-host.ts';
import { folderOf, install, SETS } from './plugins.ts';
import { CONTAINERD, reboot } from './reboot.ts';
import { AS_LISTED, leftovers, type Reasons, renew, state } from './state.ts';
import { ask, asking, readAnswer } from './web.ts';

const BOTH: Reasons = { 'the bridge, for the next pod': /^\+ (?:link|address|route|sysctl) .*pods0/ };
const LEFT_BY_REFERENCE: Reasons = {
  'the rules of ipMasq of pods whose namespace was gone':
    /^\+ nft ip6? nat chain (?:POSTROUTING: ip6? saddr|CNI-[0-9a-f])/,
};

beforeAll(async () => {
  await makeOutside();
  await install();
  await prepare();
});

describe.each(SETS)('with the plugins of %s', plugins => {
  const own = plugins === 'kuke';
  let containerd: Containerd;
  let cri: Cri;
  let before: Inventory;
  const pods = new Map<string, Pod>();
  const pod = (name: string) => pods.get(name) as Pod;
  const v4 = (name: string) => pod(name).addresses[0] ?? '';
  const v6 = (name: string) => pod(name).addresses[1] ?? '';

  async function run(name: string, hostPort?: number, attempt?: number): Promise<void> {
    pods.set(name, await runPod(cri, name, { hostPort, attempt }));
  }

  /** From a pod's container. */
  async function askIn(name: string, address: string, port = 80): Promise<string> {
    return readAnswer(await execIn(cri, pod(name), asking(address, port)));
  }

  /** A pod answers on a port of the host: asked on the host by its loopback and its addresses, and from beyond it. */
  async function expectPublished(port: number, name: string): Promise<void> {
    const ways = [
      [undefined, '127.0.0.1', '10.99.0.1'],
      [undefined, UPLINK, UPLINK],
      ['outside', UPLINK, OUTSIDE],
      [undefined, UPLINK6, UPLINK6],
      ['outside', UPLINK6, OUTSIDE6],
    ] as const;
    const answers = await Promise.all(ways.map(([from, address]) => ask(from, address, port)));
    expect(answers).toEqual(ways.map(([, , seen]) => `${name} ${seen}`));
  }

  async function check(name: string): Promise<string> {
    const runtime = createCniRuntime({ path: [folderOf[plugins]] });
    const { sandbox, netns } = pod(name);
    const attachment = { network: 'pods', containerId: sandbox, ifName: 'eth0' };
    return runtime.check(attachment, { netns }).then(() => 'ok', String);
  }

  beforeAll(async () => {
    await renew();
    ({ containerd, cri } = await startCri(folderOf[plugins]));
    before = await state();
    await run('a', 8080);
    await run('b');
  });
  afterAll(async () => {
    cri[Symbol.dispose]();
    await containerd.stop();
  });

  test('the network is ready; pods have an address of each family', async () => {
    const { conditions } = await cri.status({});
    expect(conditions).toContainEqual(expect.objectContaining({ type: 'NetworkReady', status: true }));
    expect([pod('a').addresses, pod('b').addresses]).toEqual([
      ['10.99.0.2', 'fd00:99::2'],
      ['10.99.0.3', 'fd00:99::3'],
    ]);
  });

  test('published ports are reached from everywhere', () => expectPublished(8080, 'a'));

  test('pods reach each other, and a published port, also their own', async () => {
    expect(await Promise.all([askIn('b', v4('a')), askIn('b', v6('a'))])).toEqual([`a ${v4('b')}`, `a ${v6('b')}`]);
    expect(await Promise.all([askIn('a', v4('b')), askIn('a', v6('b'))])).toEqual([`b ${v4('a')}`, `b ${v6('a')}`]);
    for (const name of ['a', 'b']) expect(await askIn(name, UPLINK, 8080)).toMatch(/^a /);
  });

  test('a pod whose first container died is replaced by its next attempt', async () => {
    const { sandbox } = pod('a');
    await ctr('k8s.io', ['task', 'kill', '--signal', 'SIGKILL', sandbox]);
    await removePod(cri, pod('a'));
    await run('a', 8080, 1);
    await expectPublished(8080, 'a');
    if (own) expect(dels(sandbox)).toEqual([expect.stringMatching(/netns\/cni-.* ok$/), ' ok']);
  });

  test('containerd is killed and started: pods go on, and can be removed', async () => {
    await containerd.kill();
    await expectPublished(8080, 'a');
    await containerd.start();
    await untilInitialized(cri);
    expect(await askIn('b', v4('a'))).toBe(`a ${v4('b')}`);
    await removePod(cri, pod('a'));
    expect(await ask(undefined, UPLINK, 8080, 1)).toBe('');
    await run('a', 8080, 2);
    await expectPublished(8080, 'a');
  });

  test('somebody flushes all rules: CHECK tells, and pods come and go', async () => {
    // The reference portmap's CHECK fails in any case where there are two families.
    const fine = own ? 'ok' : expect.stringContaining('could not check ipv6 dnat');
    expect([await check('a'), await check('b')]).toEqual([fine, 'ok']);
    await output('nft', 'flush', 'ruleset');
    const missing = own ? 'masquerading (ipMasq): table inet kukeon is missing' : 'plugin firewall: expected';
    expect(await check('b')).toContain(missing);

    await run('c', 8082);
    await expectPublished(8082, 'c');
    expect(await check('c')).toEqual(fine);
    expect(await check('b')).not.toBe('ok');
    for (const name of ['a', 'b']) {
      const removed = removePod(cri, pod(name)).then(() => 'ok', String);
      expect(await removed).toEqual(own ? 'ok' : expect.stringMatching(/bridge.* failed \(delete\)/));
      if (!own) await removePod(cri, pod(name));
    }
    await run('a', 8080, 3);
    await expectPublished(8080, 'a');
  });

  test('a reboot', async () => {
    await containerd.kill();
    await reboot({ ...CONTAINERD, bridges: [BRIDGE] });
    await containerd.start();
    await untilInitialized(cri);
    for (const [name, port] of [
      ['a', 8080],
      ['c', 8082],
    ] as const) {
      await removePod(cri, pod(name));
      await run(name, port, 4);
      await expectPublished(port, name);
    }
    expect(await askIn('a', v6('c'))).toBe(`c ${v6('a')}`);
  });

  test('the namespace of a pod is lost', async () => {
    await output('ip', 'netns', 'del', basename(pod('a').netns));
    await removePod(cri, pod('a'));
    expect(await ask(undefined, UPLINK, 8080, 1)).toBe('');
    if (own) expect(dels(pod('a').sandbox)).toEqual([' ok', ' ok']);
  });

  test('the end', async () => {
    await removePod(cri, pod('c'));
    expect(await leftovers(before, plugins, { ...BOTH, ...(!own && LEFT_BY_REFERENCE) })).toEqual(AS_LISTED);
    // Whoever made the network takes its bridge.
    await output('ip', 'link', 'del', BRIDGE);
  });
});

/** With which namespace the bridge was called to end an attachment, and the result. */
function dels(container: string): string[] {
  const lines = readFileSync(LOG, 'utf8').split('\n');
  const verbs = lines.filter(line => line.includes(` DEL bridge network=pods container=${container} `));
  return verbs.map(line => `${/ netns=(\S+)/.exec(line)?.[1] ?? ''} ${/ result=(.*)$/.exec(line)?.[1]}`);
}
