/** A task whose deletion was cut off by the death of its caller: containerd then knows of none, and refuses a new one. */
// containerd: the oldest and the newest, since what differs between versions is asked of each by the tests of containerd-shim.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from '../../../plugins/containerd-shim/client/index.ts';
import type { Containerd } from '../containerd.ts';
import { cell } from '../kuke/cells.ts';
import { apply, get, kuke } from '../kuke/kuke.ts';
import { tasks } from '../observe/containerd.ts';
import { processes } from '../observe/system.ts';
import { leavingNothing } from './failures.ts';
import { warmHost } from './warm-host.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
});
afterAll(() => containerd.stop());

const id = 'default_default_web_root';
const shims = () => processes().filter(({ command }) => command[0]?.endsWith('containerd-shim-runc-v2'));

/** How long a deletion takes until its middle differs from host to host, so a later moment is tried each time. */
async function cutOff(): Promise<void> {
  for (let afterMs = 1; ; afterMs += 0.3) {
    await apply(cell('web'));
    await kuke('start', 'cell', 'web');
    await kuke('kill', 'cell', 'web');
    const client = connect({ socket: containerd.address }).with({ namespace: 'kukeon-main' });
    const caller = new AbortController();
    const deletion = client.tasks.delete({ containerId: id }, { signal: caller.signal }).catch(() => {});
    await Bun.sleep(afterMs);
    caller.abort();
    await deletion;
    client.close();
    await Bun.sleep(200); // containerd goes on for a moment
    const isKnown = (await tasks('kukeon-main')).some(task => task.id === id);
    if (!isKnown && shims().length > 0) return;
    if (!isKnown) throw new Error('no deletion could be cut off in its middle');
  }
}

test('the cell can be started again', async () => {
  await leavingNothing(async () => {
    await cutOff();
    await kuke('start', 'cell', 'web');
    expect(await get('cell', 'web')).toMatchObject({ status: { state: 'Ready' } });
    expect(shims()).toHaveLength(1);
    await kuke('delete', 'cell', 'web', '--cascade', '--force');
  });
});

test('the cell can be deleted, and takes its shim along', async () => {
  await leavingNothing(async () => {
    await cutOff();
    await kuke('delete', 'cell', 'web', '--cascade');
    expect(shims()).toHaveLength(0);
  });
});
