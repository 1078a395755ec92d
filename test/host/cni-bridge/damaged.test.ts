/** A conflist that cannot be read, and then somebody's `nft flush ruleset`: nobody is left open for it, and it is named. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Finding } from '../../../src/kernel/extensible.ts';
import { output } from '../observe/command.ts';
import { CONFIG_PATH, cleanHost } from './backend.ts';
import { cellRef, cellYaml, kernelOnNetwork, results, type TestKernel } from './kernel.ts';

const PATH = `${CONFIG_PATH}/main-default.conflist`;
const blue = `
apiVersion: v1beta1
kind: Space
metadata: { name: blue }
spec: { realmId: main }
---
apiVersion: v1beta1
kind: Stack
metadata: { name: default }
spec: { realmId: main, spaceId: blue }
---${cellYaml('v').replace('spaceId: default', 'spaceId: blue')}`;
const SPACE = { kind: 'Space', path: ['main', 'default'] };
const V = { kind: 'Cell', path: ['main', 'blue', 'default', 'v'] };

interface Status {
  state: string;
  message?: string;
  network: { bridge: string; subnet: string };
  attachments: { addresses: string[]; attachmentId: string }[];
}

let kuke: TestKernel;
const status = async (ref: Parameters<TestKernel['statusOf']>[0]) => (await kuke.statusOf(ref)) as Status;
const reaches = async (from: Parameters<typeof status>[0], to: Parameters<typeof status>[0]) => {
  const netns = `kuke-${(await status(from)).attachments[0]?.attachmentId.split('-')[0]}`;
  const address = (await status(to)).attachments[0]?.addresses[0]?.split('/')[0] ?? '';
  return Bun.spawnSync(['ip', 'netns', 'exec', netns, 'busybox', 'ping', '-c1', '-W1', address]).exitCode === 0;
};
const damaged = expect.stringContaining(PATH);

beforeEach(async () => {
  kuke = await kernelOnNetwork();
  await kuke.init();
});
afterEach(cleanHost);

test.each([
  ['is cut off', '{'],
  ['has lost its mark', '{ "cniVersion": "1.0.0", "name": "main-default", "plugins": [{ "type": "bridge" }] }'],
])('one that %s: its space is Failed, its cells are apart from the others', async (_, text) => {
  const both = `${cellYaml('a')}---${blue}`;
  expect(results(await kuke.apply(both))).toEqual(['created', 'created', 'created', 'created']);
  const before = readFileSync(PATH, 'utf8');
  writeFileSync(PATH, text);
  await output('nft', 'flush', 'ruleset');
  expect([await reaches(cellRef('a'), V), await reaches(V, cellRef('a'))]).toEqual([true, true]);

  const outcomes = await kuke.apply(both);
  expect(outcomes.map(({ result }) => result)).toEqual(['failed', 'unchanged', 'unchanged', 'unchanged']);
  expect(outcomes[0]?.error).toMatchObject({ code: 'Conflict', message: damaged });
  expect([await reaches(cellRef('a'), V), await reaches(V, cellRef('a'))]).toEqual([false, false]);
  expect(await status(SPACE)).toMatchObject({ state: 'Failed', message: damaged });
  for (const ref of [V, { kind: 'Space', path: ['main', 'blue'] }]) expect((await status(ref)).state).toBe('Ready');
  expect(readFileSync(PATH, 'utf8')).toBe(text);

  rmSync(PATH);
  expect(results(await kuke.apply(both))).toEqual(['unchanged', 'unchanged', 'unchanged', 'unchanged']);
  expect(readFileSync(PATH, 'utf8')).toBe(before);
  expect((await status(SPACE)).state).toBe('Ready');
});

test('of the only space there is: its rules come back by what space.yaml has, and doctor names the file', async () => {
  await kuke.apply(cellYaml('a'));
  const { bridge, subnet } = (await status(SPACE)).network;
  const table = () => output('nft', 'list', 'table', 'inet', 'kukeon');
  const before = await table();
  writeFileSync(PATH, '{');
  await output('nft', 'flush', 'ruleset');
  await output('ip', 'addr', 'flush', 'dev', bridge); // of the bridge itself there is nothing to go by
  kuke.notices.length = 0;
  expect(results(await kuke.apply(cellYaml('a')))[0]).toStartWith('failed');
  expect(kuke.notices).toContainEqual(damaged);
  const lines = (text: string) => text.split('\n').toSorted();
  expect(lines(await table())).toEqual(lines(before));
  expect(await table()).toContain(`"${bridge}" . ${subnet}`);
  const findings: Finding[] = [];
  await kuke.kernel.hooks.call('doctor', { findings });
  expect(findings).toContainEqual({
    level: 'error',
    code: 'ConflistBroken',
    what: damaged,
    remedy: expect.any(String),
  });
});

test('a cell of it can be stopped and deleted', async () => {
  await kuke.apply(cellYaml('a'));
  writeFileSync(PATH, '{');
  expect(results(await kuke.apply(cellYaml('a').replace('spec: {', 'spec: { desiredState: stopped,')))).toEqual([
    'updated',
  ]);
  expect(results(await kuke.remove(cellRef('a')))).toEqual(['deleted']);
});
