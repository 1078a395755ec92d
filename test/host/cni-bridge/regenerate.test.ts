/** `kuke init --force-regenerate-cni`: a bridge name that the kernel, or a rule, does not take, in a conflist from elsewhere. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { output } from '../observe/command.ts';
import { links, ruleset } from '../observe/network.ts';
import { CONFIG_PATH, cleanHost } from './backend.ts';
import { cellRef, cellYaml, kernelOnNetwork, results, type TestKernel } from './kernel.ts';

const PATH = `${CONFIG_PATH}/main-default.conflist`;
const TOO_LONG = 'kukeon-123456789';
let kuke: TestKernel;

beforeEach(async () => {
  kuke = await kernelOnNetwork();
  expect(results(await kuke.init())).toEqual(['created', 'created', 'created']);
});
afterEach(cleanHost);

interface Conflist {
  kukeon: object;
  plugins: { bridge: string; ipam: { ranges: { subnet: string }[][] } }[];
}

const conflist = (): Conflist => JSON.parse(readFileSync(PATH, 'utf8')) as Conflist;
const bridge = () => conflist().plugins[0]?.bridge ?? '';
const rewrite = (change: (conflist: Conflist) => void) => {
  const document = conflist();
  change(document);
  writeFileSync(PATH, JSON.stringify(document));
};
const nameBridge = (name: string) =>
  rewrite(({ plugins: [plugin] }) => {
    if (plugin) plugin.bridge = name;
  });
const regenerate = () => kuke.init({ 'force-regenerate-cni': true });
const bridges = async () => (await links()).filter(({ linkinfo }) => linkinfo?.info_kind === 'bridge');
/** The bridges that the table knows. */
const isolated = async (): Promise<unknown> =>
  (await ruleset()).find(({ set }) => set?.table === 'kukeon' && set.name === 'space_bridges')?.set?.elem;
const elements = (name: string) => [{ elem: { val: name, comment: 'main-default' } }];
const ping = (name: string, to: string) =>
  Bun.spawnSync(['ip', 'netns', 'exec', name, 'busybox', 'ping', '-c1', '-W2', to]).exitCode;
interface CellStatus {
  state: string;
  attachments: { addresses: string[]; attachmentId: string }[];
}
const status = async (name: string) => (await kuke.statusOf(cellRef(name))) as CellStatus;
const address = async (name: string) => (await status(name)).attachments[0]?.addresses[0]?.split('/')[0] ?? '';
const netns = async (name: string) => `kuke-${(await status(name)).attachments[0]?.attachmentId.split('-')[0] ?? ''}`;

test('a name of 16 characters is ERANGE, and mended', async () => {
  nameBridge(TOO_LONG);
  const [failed] = await kuke.apply(cellYaml('web'));
  expect(failed?.error?.message).toContain(
    `"${TOO_LONG}" of network main-default has 16 characters, and the kernel takes 15 at most: numerical result out of range`,
  );
  expect(failed?.error?.remedy).toContain('kuke init --force-regenerate-cni');
  expect(await bridges()).toEqual([]);

  expect(results(await regenerate())).toEqual(['unchanged', 'updated', 'unchanged']);
  expect(bridge()).toMatch(/^kuke-[a-z0-9]{10}$/);
  expect(await isolated()).toEqual(elements(bridge()));
  expect(results(await kuke.apply(cellYaml('web')))).toEqual(['created']);
  expect((await bridges()).map(({ ifname }) => ifname)).toEqual([bridge()]);
});

test('cells that run keep their bridge and addresses, and new ones join them', async () => {
  await kuke.apply(cellYaml('web'));
  const before = { bridge: bridge(), file: readFileSync(PATH, 'utf8'), web: await address('web') };
  nameBridge(TOO_LONG);
  expect(results(await kuke.apply(cellYaml('more')))[0]).toStartWith('failed');
  await regenerate();
  expect({ bridge: bridge(), file: readFileSync(PATH, 'utf8'), web: await address('web') }).toEqual(before);
  expect(results(await kuke.apply(cellYaml('more')))).toEqual(['created']);
  expect(ping(await netns('more'), before.web)).toBe(0);
  expect(await status('web')).toMatchObject({ state: 'Ready' });
});

test('a bridge whose name is a wildcard in a firewall is renamed under its cells', async () => {
  await kuke.apply(cellYaml('web'));
  const before = { bridge: bridge(), web: await status('web') };
  await output('ip', 'link', 'set', before.bridge, 'name', 'kuke+');
  nameBridge('kuke+');
  expect(results(await kuke.apply(cellYaml('more')))[0]).toContain('can stand in no rule of a firewall');
  await regenerate();
  expect(bridge()).toBe(before.bridge);
  expect((await bridges()).map(({ ifname }) => ifname)).toEqual([before.bridge]);
  expect(await isolated()).toEqual(elements(before.bridge));
  expect(await status('web')).toEqual({ ...before.web, observedAt: expect.anything() } as never);
  expect(results(await kuke.apply(cellYaml('more')))).toEqual(['created']);
  expect(ping(await netns('more'), await address('web'))).toBe(0);
});

test('where the kernel refuses to rename, the cells that are in the way are named', async () => {
  await kuke.apply(cellYaml('web'));
  const { bridge: name } = { bridge: bridge() };
  await output('ip', 'link', 'set', name, 'name', 'kuke+');
  nameBridge('kuke+');
  await output('ip', 'link', 'add', name, 'type', 'bridge');
  const error = await regenerate().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'Conflict', remedy: expect.stringContaining('main/default/default/web') });
  expect(String(error)).toContain(`bridge kuke+ of network main-default cannot be renamed to ${name}`);
  await output('ip', 'link', 'delete', name);
  await regenerate();
  expect((await bridges()).map(({ ifname }) => ifname)).toEqual([name]);
});

test('nothing to mend is nothing to do; subnet and name stay', async () => {
  const before = readFileSync(PATH, 'utf8');
  await regenerate();
  expect(readFileSync(PATH, 'utf8')).toBe(before);
  rewrite(document => {
    Object.assign(document, { cniVersion: '0.4.0' });
    for (const plugin of document.plugins) Object.assign(plugin, { hairpinMode: true });
    for (const [range] of document.plugins[0]?.ipam.ranges ?? []) if (range) range.subnet = '10.100.0.0/20';
  });
  await regenerate();
  expect(conflist()).toMatchObject({ cniVersion: '1.0.0', name: 'main-default' });
  expect(conflist().plugins[0]?.ipam.ranges[0]?.[0]?.subnet).toBe('10.100.0.0/20');
});
