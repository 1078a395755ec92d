/** A containerd with our runtime, an image, and the assertion that no test leaves anything; for the host tests of its life cycle. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'bun:test';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { RuntimeBackend } from 'kuke/plugin';
import { context } from '../../suites/contract.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox } from '../image.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { processes } from '../observe/system.ts';
import { containersOf, importImage, LOGS, NAMESPACE } from './runtime-under-test.ts';

/** Installs the hooks; gives containerd once it runs. */
export function leavingNothing(runtime: RuntimeBackend): () => Containerd {
  const { remove, run } = containersOf(runtime);
  let containerd: Containerd | undefined;
  let before: Inventory = [];
  beforeAll(async () => {
    containerd = await startContainerd();
    await runtime.createNamespace({ namespace: NAMESPACE }, context());
    const more = { 'srv/': { folder: true as const }, 'bin/wrong': { content: '\x7fELFnonsense', mode: 0o755 } };
    await importImage(NAMESPACE, { layers: [busybox(), more] });
    // What the first container leaves for good: containerd's folders for the namespace, and parents of leaf cgroups.
    await run('true');
  });
  afterAll(() => containerd?.stop());
  beforeEach(async () => {
    before = await inventory();
  });
  afterEach(async () => {
    for (const { id } of await runtime.observe({ namespace: NAMESPACE })) await remove(id);
    rmSync(LOGS, { recursive: true, force: true });
    // Besides logs: the socket of a shim that was killed, until another one of its group comes; empty folders of a namespace.
    const expected = [
      /^file \/var\/log\/kukeon\//,
      /^file \/run\/containerd\/s\//,
      /^file \/run\/containerd\/(runc|io\.containerd\.runtime\.v2\.task)\/[^/]+\/$/,
    ];
    // A shim goes, and containerd cleans up behind one that was killed, in its own time.
    const limit = Date.now() + 10_000;
    let left = difference(before, await inventory(), expected);
    while (left.length > 0 && Date.now() < limit) left = difference(before, await inventory(), expected);
    expect(left).toEqual([]);
  });
  return () => {
    if (containerd === undefined) throw new Error('containerd does not run yet');
    return containerd;
  };
}

export const shims = () =>
  processes().filter(({ command }) => command[0]?.includes('containerd-shim-runc') && !command.includes('start'));

export const isRunning = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
