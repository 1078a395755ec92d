/** Many that crash at once, and somebody who wants the lock meanwhile. */
import { expect, test } from 'bun:test';
import { type Acting, actOn } from '../../../src/daemon/supervisor/act.ts';
import { makeEntry } from '../../../src/daemon/supervisor/entry.ts';
import { makeHealthWatch } from '../../../src/daemon/supervisor/health-watch.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { addImage } from '../../fakes/index.ts';
import { eventually } from '../../suites/contract.ts';
import { cellRef, cellYaml, kernelOnFakes } from '../kernel/kernel-on-fakes.ts';

const NAMES = Array.from({ length: 12 }, (_, index) => `loop-${index}`);

test('a command has its turn before those restarts that have not begun; then they go on', async () => {
  const kuke = await kernelOnFakes();
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  const always = '[{ id: web, image: busybox, restartPolicy: always }]';
  await kuke.apply(NAMES.map(name => cellYaml(name, always)).join('---'));
  for (const name of NAMES) kuke.host.exit('kukeon-main', `default_default_${name}_root`, 1);
  const did: string[] = [];
  const { kernel, engine } = kuke;
  const acting: Acting = {
    kernel,
    journal: makeJournal(kernel.settings.runPath),
    engine,
    tell: ({ what, ref }) => void (what === 'restarted' && did.push(ref.path.at(-1) ?? '')),
    find: () => undefined,
  };
  const entries = NAMES.map(name =>
    makeEntry(
      cellRef(name),
      [],
      makeHealthWatch(() => {}),
    ),
  );
  const { store } = kuke.host;
  const queued = (count: number) => eventually(async () => (store.waiting.size === count ? true : undefined));
  store.holder = { pid: 1, command: 'kuke apply' };
  const first = actOn(acting, entries);
  await queued(1);
  const stopped = kuke
    .change(cellRef('loop-11'), spec => ({ ...spec, desiredState: 'stopped' }), { verb: 'stop', stopTimeoutMs: 1000 })
    .then(outcomes => did.push('stopped') && outcomes);
  await queued(2);
  kuke.host.freeLock();
  const { later } = await first;
  expect(did.filter(one => one !== 'stopped')).toHaveLength(8);
  expect(later.map(({ ref }) => ref.path.at(-1))).toEqual(NAMES.slice(8));
  expect(await stopped).toMatchObject([{ result: 'updated' }]);
  expect(await actOn(acting, later)).toMatchObject({ later: [] });
  // What was stopped meanwhile stays so.
  expect(did.sort()).toEqual([...NAMES.slice(0, 11), 'stopped'].sort());
  for (const { health } of entries) health.end();
});
