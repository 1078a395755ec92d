/** Whose limit kept something from starting, told when the group that it was to start in is gone. */
import { describe, expect, test } from 'bun:test';
import { rmdirSync } from 'node:fs';
import { MOUNT, shellIn } from '../../host/cgroup-v2/backend-under-test.ts';
import { backend, cell, createCell, gone, leaf, limit, MI, main } from '../cgroups-under-test.ts';

describe('whose limit kept something from starting', () => {
  const container = `${cell}/web_root`;
  test.each([
    ['its own', container],
    ['the cell’s', cell],
    ['the realm’s', main],
  ])('%s, for want of memory, though its group is gone', async (_, limited) => {
    await createCell();
    await leaf('web_root');
    await limit({ 'memory.limit': 24 * MI }, limited);
    const before = JSON.parse(JSON.stringify(await backend.hits(container)));
    const request = { path: container, limits: {} };
    expect(await backend.limitHit(request, before, 'EOF')).toBeUndefined();
    await (await shellIn(container, 'busybox tail -c 64m /dev/zero > /dev/null')).exited;
    await gone(container);
    expect(await backend.limitHit(request, before, 'EOF')).toEqual({ path: limited, field: 'memory.limit' });
  });

  test('of processes, told by the runtime’s words and what is left', async () => {
    await createCell();
    await limit({ 'pids.limit': 100 });
    await leaf('web_root', { 'pids.limit': 5 });
    const before = await backend.hits(container);
    rmdirSync(`${MOUNT}${container}`);
    const request = { path: container, limits: { 'pids.limit': 5 } };
    const words = "can't get final child's PID from pipe: EOF";
    expect(await backend.limitHit(request, before, words)).toEqual({ path: container, field: 'pids.limit' });
    expect(await backend.limitHit(request, before, 'no such file or directory')).toBeUndefined();
    await limit({ 'pids.limit': 2 }, cell);
    expect(await backend.limitHit(request, before, words)).toEqual({ path: cell, field: 'pids.limit' });
  });
});
