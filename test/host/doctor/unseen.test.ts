// containerd: once, since it has no part in this.
/** What `kuke doctor` cannot see, or must not take away: it is told, and is neither well nor fixed. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setAttribute } from '../../../plugins/cgroup-v2/attribute.ts';
import type { Containerd } from '../containerd.ts';
import { cell, manifest, pidsOf } from '../kuke/cells.ts';
import { apply } from '../kuke/kuke.ts';
import { comparable } from '../kuke-faults/killer.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { doctor, fixAll } from './diagnosis.ts';

let containerd: Containerd;
let before: Inventory;
beforeAll(async () => {
  containerd = await warmHost();
  await apply(manifest('Stack', 'blog'), cell('web', undefined, { stackId: 'blog' }));
  before = await comparable();
});
afterAll(() => containerd.stop());

const GROUP = '/sys/fs/cgroup/kukeon/main/default/gone';

function orphanGroup(): void {
  mkdirSync(GROUP);
  setAttribute(GROUP, 'kukeon.instance', readFileSync('/opt/kukeon/.kuke/instance', 'utf8').trim());
}

test('a process that somebody has moved into a group of nobody runs on, and is named', async () => {
  orphanGroup();
  const stranger = Bun.spawn(['sleep', '99998']);
  writeFileSync(`${GROUP}/cgroup.procs`, String(stranger.pid));
  const { status, found } = await doctor('--fix');
  expect({ status, found }).toMatchObject({
    status: 1,
    found: [
      {
        code: 'OrphanCgroup',
        fixed: false,
        what: expect.stringContaining(`${stranger.pid} (sleep 99998)`),
        remedy: expect.stringContaining('move them elsewhere or end them'),
      },
    ],
  });
  expect(stranger.exitCode).toBeNull();
  stranger.kill();
  await stranger.exited;
  expect((await fixAll()).map(({ code }) => code)).toEqual(['OrphanCgroup']);
  expect(difference(before, await comparable())).toEqual([]);
});

test('a stack whose manifest is gone while a cell lies in it is a finding, and nothing of the cell goes', async () => {
  const file = '/opt/kukeon/main/default/blog/stack.yaml';
  const pids = await pidsOf('web', '--stack', 'blog');
  rmSync(file);
  const host = await comparable();
  const { status, found } = await doctor('--fix');
  expect(status).toBe(1);
  expect(found).toMatchObject([
    { code: 'ParentMissing', resource: 'stack main/default/blog', fixable: false, fixed: false },
  ]);
  expect(difference(host, await comparable())).toEqual([]);
  expect(await pidsOf('web', '--stack', 'blog')).toEqual(pids);
  // As the remedy says.
  await apply(manifest('Stack', 'blog'));
  expect(await doctor()).toEqual({ status: 0, found: [], codes: [] });
});

test('a plugin that fails when it is asked is a finding, and what it named before is not taken for gone', async () => {
  const folder = '/opt/kukeon/.kuke/plugins/blind';
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/package.json`, JSON.stringify({ name: 'blind', main: 'index.ts', kuke: {} }));
  const source = `import { definePlugin } from 'kuke/plugin';
let asked = 0;
export default definePlugin({
  name: 'blind',
  version: '1.0.0',
  setup: kernel => void kernel.hook('doctor', ({ findings }) => {
    if (++asked > 1) throw new Error('it has become dark');
    findings.push({ level: 'error', code: 'OrphanThing', what: 'thing 1 is of nobody', fix: async () => {} });
  }),
});
`;
  writeFileSync(`${folder}/index.ts`, source);
  orphanGroup();
  const { status, found } = await doctor('--fix');
  expect(status).toBe(1);
  expect(found.map(({ code, fixed }) => [code, fixed])).toEqual([
    ['OrphanThing', false],
    ['OrphanCgroup', false],
    ['PluginFailed', false],
  ]);
  expect(found.at(-1)?.what).toContain('hook doctor of plugin blind: it has become dark');
  rmSync(folder, { recursive: true });
  expect(await doctor()).toEqual({ status: 0, found: [], codes: [] });
});
