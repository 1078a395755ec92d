/** What has ended for good is deleted where its manifest says so: only as long as that is how it is. */
import { beforeEach, expect, test } from 'bun:test';
import type { Acting } from '../../../src/daemon/supervisor/act.ts';
import { deleteAll } from '../../../src/daemon/supervisor/bring-back.ts';
import { DELETE_AFTER_MS } from '../../../src/daemon/supervisor/decide.ts';
import { makeEntry } from '../../../src/daemon/supervisor/entry.ts';
import { makeHealthWatch } from '../../../src/daemon/supervisor/health-watch.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { addImage } from '../../fakes/index.ts';
import { cellRef, kernelOnFakes, type TestKernel } from '../kernel/kernel-on-fakes.ts';

let kuke: TestKernel;
let told: string[];
beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  told = [];
});

const job = (autoDelete: boolean) => `
apiVersion: v1beta1
kind: Cell
metadata: { name: job }
spec: { autoDelete: ${autoDelete}, containers: [{ id: main, image: busybox }] }
`;

/** As after a look that has seen that it has ended, and the time in which others may see that, too. */
async function deleteJob(): Promise<string[]> {
  const acting: Acting = {
    kernel: kuke.kernel,
    journal: makeJournal(kuke.kernel.settings.runPath),
    engine: kuke.engine,
    tell: ({ what }) => void told.push(what),
    find: () => undefined,
  };
  const entry = makeEntry(
    cellRef('job'),
    [],
    makeHealthWatch(() => {}),
  );
  const endedAt = performance.now() - DELETE_AFTER_MS;
  const members = new Map([['main', { restarts: 0, retries: 0, failures: 0, endedAt }]]);
  entry.memory = { ...entry.memory, members };
  await deleteAll(acting, [entry]);
  entry.health.end();
  return [...kuke.host.store.manifests.keys()].filter(key => /job/i.test(key));
}

const end = () => kuke.host.exit('kukeon-main', 'default_default_job_root', 0);

test('one that has ended is deleted', async () => {
  await kuke.apply(job(true));
  end();
  expect(await deleteJob()).toEqual([]);
  expect(told).toContain('deleted');
  expect(await deleteJob()).toEqual([]); // somebody else was first
});

test('one that somebody has started meanwhile runs on, and one that is to stay now stays', async () => {
  await kuke.apply(job(true));
  expect(await deleteJob()).toHaveLength(1);
  expect(kuke.host.runtime.namespaces.get('kukeon-main')?.containers.size).toBe(1);
  end();
  await kuke.apply(job(false));
  expect(await deleteJob()).toHaveLength(1);
  expect(told).not.toContain('deleted');
});
