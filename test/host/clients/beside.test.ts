// containerd: once, since what differs between versions of CRI is in cri.test.ts.
/** kuke and another runtime on one host, both on kuke's plugins: neither is in the other's way, whatever the one does to its own. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { makeOutside, OUTSIDE, UPLINK } from '../cni-bridge/packets.ts';
import type { Containerd } from '../containerd.ts';
import { addressesOf, cell, loadImage, manifest, shell, untilState, WAIT } from '../kuke/cells.ts';
import { apply, kuke, tryApply } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import type { Inventory } from '../observe/inventory.ts';
import { type Cri, execIn, type Pod, removePod, runPod } from './cri.ts';
import { BRIDGE, prepare, startCri } from './cri-host.ts';
import { install, OWN } from './plugins.ts';
import { AS_LISTED, leftovers, type Reasons, renew, state } from './state.ts';
import { ask, asking, readAnswer, WHO } from './web.ts';

let containerd: Containerd;
let cri: Cri;
let before: Inventory;
let a: Pod;
let b: Pod;

const KEPT: Reasons = { 'containerd’s folders for a namespace': /^\+ file \/run\/containerd\/\S+\/kukeon-main\/$/ };

/** Answers as a pod does. */
const web = (port: number) =>
  shell(
    'web',
    `mkdir -p /www/cgi-bin; cd /www/cgi-bin; echo '${WHO}' > who; chmod +x who; httpd -h /www -p 80; ${WAIT}`,
    { ports: [`${port}:80`] },
  );

/** The pod answers on 8080 and the cell on 8090, asked from outside. */
async function expectBoth(): Promise<void> {
  const answers = [await ask('outside', UPLINK, 8080), await ask('outside', UPLINK, 8090)];
  expect(answers).toEqual([`a ${OUTSIDE}`, `web ${OUTSIDE}`]);
}

beforeAll(async () => {
  await makeOutside();
  await prepare();
  await renew();
  ({ containerd, cri } = await startCri(OWN));
  before = await state();
  await install();
  await kuke('init');
  await loadImage();
  await apply(cell('web', [web(8090)]));
  await untilState('web', 'Ready');
  a = await runPod(cri, 'a', { hostPort: 8080 });
  b = await runPod(cri, 'b');
});
afterAll(async () => {
  cri[Symbol.dispose]();
  await containerd.stop();
});

test('each has its addresses and ports', async () => {
  await expectBoth();
  expect([await addressesOf('web'), a.addresses]).toEqual([['10.88.0.2'], ['10.99.0.2', 'fd00:99::2']]);
});

test('a port that the one has published is refused to the other, by name', async () => {
  const refused = await tryApply(cell('late', [web(8080)]));
  expect(refused).toMatchObject({ status: 1 });
  expect(refused.stderr).toContain(`port 8080/tcp of the host is published by ${a.sandbox}/eth0 of network pods`);
  const late = runPod(cri, 'late', { hostPort: 8090 }).then(() => 'runs', String);
  expect(await late).toMatch(/port 8090\/tcp of the host is published by \S+\/eth0 of network main-default/);
  await expectBoth();
});

test('spaces come and go, and all of their rules with them', async () => {
  await apply(manifest('Space', 'blue', {}));
  await expectBoth();
  await kuke('delete', 'space', 'blue');
  await expectBoth();
});

test('after a flush each puts back its own', async () => {
  await output('nft', 'flush', 'ruleset');
  await apply(manifest('Space', 'green', {}));
  const answers = () => Promise.all([ask('outside', UPLINK, 8080, 1), ask('outside', UPLINK, 8090, 1)]);
  expect(await answers()).toEqual(['', `web ${OUTSIDE}`]);
  await removePod(cri, a);
  a = await runPod(cri, 'a', { hostPort: 8080, attempt: 1 });
  await expectBoth();
});

test('kuke leaves the host: the pods go on', async () => {
  await kuke('uninstall', '--yes');
  expect(await ask('outside', UPLINK, 8080)).toBe(`a ${OUTSIDE}`);
  expect(readAnswer(await execIn(cri, a, asking(b.addresses[1] ?? '', 80)))).toBe(`b ${a.addresses[1]}`);
});

test('nothing is left but the pods’ bridge', async () => {
  // It took along the plugins that it had laid down.
  await install();
  for (const pod of [a, b]) await removePod(cri, pod);
  await kuke('cni', 'uninstall');
  await output('ip', 'link', 'del', BRIDGE);
  expect(await leftovers(before, 'kuke', KEPT)).toEqual(AS_LISTED);
});
