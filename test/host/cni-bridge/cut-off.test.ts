/** Cells whose bridge somebody has deleted, or that were taken off it, are seen to be cut off, and applying them repairs it. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { output } from '../observe/command.ts';
import { links } from '../observe/network.ts';
import { cleanHost } from './backend.ts';
import { cellRef, cellYaml, kernelOnNetwork, results, type TestKernel } from './kernel.ts';

const SPACE = { kind: 'Space', path: ['main', 'default'] };
interface Status {
  state: string;
  message?: string;
  network: { bridge: string };
  attachments: { addresses: string[]; attachmentId: string }[];
}

let kuke: TestKernel;
let bridge: string;
const status = async (ref: Parameters<TestKernel['statusOf']>[0]) => (await kuke.statusOf(ref)) as Status;
const attachment = async (name: string) => (await status(cellRef(name))).attachments[0];
const address = async (name: string) => (await attachment(name))?.addresses[0]?.split('/')[0] ?? '';
const netns = async (name: string) => `kuke-${(await attachment(name))?.attachmentId.split('-')[0] ?? ''}`;
const ports = async () => (await links()).filter(({ master }) => master === bridge).map(({ ifname }) => ifname);
const both = `${cellYaml('one')}---${cellYaml('two')}`;
const reaches = async (from: string, to: string) =>
  Bun.spawnSync(['ip', 'netns', 'exec', await netns(from), 'busybox', 'ping', '-c1', '-W1', await address(to)])
    .exitCode === 0;

beforeEach(async () => {
  kuke = await kernelOnNetwork();
  await kuke.init();
  expect(results(await kuke.apply(both))).toEqual(['created', 'created']);
  bridge = (await status(SPACE)).network.bridge;
  expect(await ports()).toHaveLength(2);
});
afterEach(cleanHost);

test('a deleted bridge: the space is Failed, no cell is Ready, and applying the cells makes it anew', async () => {
  await output('ip', 'link', 'delete', bridge);
  expect(await status(SPACE)).toMatchObject({
    state: 'Failed',
    message: `bridge ${bridge} of its cells is not there; apply the space and its cells again`,
  });
  for (const name of ['one', 'two']) expect((await status(cellRef(name))).state).not.toBe('Ready');

  expect(results(await kuke.apply(both))).toEqual(['updated', 'updated']);
  expect(await ports()).toHaveLength(2);
  for (const ref of [SPACE, cellRef('one'), cellRef('two')]) expect((await status(ref)).state).toBe('Ready');
  expect(await reaches('one', 'two')).toBe(true);
  expect(results(await kuke.apply(both))).toEqual(['unchanged', 'unchanged']);
});

test('an end that was taken off the bridge: that cell alone is attached anew', async () => {
  const [first = ''] = await ports();
  await output('ip', 'link', 'set', first, 'nomaster');
  const states = await Promise.all(['one', 'two'].map(async name => (await status(cellRef(name))).state));
  expect(states.filter(state => state === 'Ready')).toHaveLength(1);
  expect((await status(SPACE)).state).toBe('Ready');
  expect(results(await kuke.apply(both)).toSorted()).toEqual(['unchanged', 'updated']);
  expect(await ports()).toHaveLength(2);
  expect(await reaches('one', 'two')).toBe(true);
});

test('a space without cells needs no bridge', async () => {
  for (const name of ['one', 'two']) await kuke.remove(cellRef(name));
  await output('ip', 'link', 'delete', bridge);
  expect((await status(SPACE)).state).toBe('Ready');
});
