/** What readers are told of the resources: soon, and never what was before their own change. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { makeView, type ResourceView, type Snapshot } from '../../../src/daemon/revisions/view.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { keyOf } from '../../../src/kernel/resource.ts';
import { publish } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from '../kernel/kernel-on-fakes.ts';

let on: TestKernel;
let view: ResourceView;
beforeEach(async () => {
  on = await kernelOnFakes();
  await on.init();
  view = makeView({ kernel: async () => on.kernel, journal: journal(), log: () => {} });
});
afterEach(() => view.stop());

const journal = () => makeJournal(on.kernel.settings.runPath);
const stack = (name: string) => on.apply(`{ apiVersion: v1beta1, kind: Stack, metadata: { name: ${name} } }`);
const stacks = ({ resources }: Snapshot) =>
  [...resources.values()]
    .filter(({ resource }) => resource.ref.kind === 'Stack')
    .map(({ resource }) => resource.ref.path.at(-1));

test('who reads is told what was seen last, who asks for it what is so now', async () => {
  expect(stacks(await view.now())).toEqual(['default']);
  await stack('blog'); // nobody tells of it
  expect(stacks(await view.now())).toEqual(['default']);
  expect(stacks(await view.now({ isFresh: true }))).toEqual(['blog', 'default']);
  expect(stacks(await view.now())).toEqual(['blog', 'default']);
});

test('after a change of its own, nobody is told what was before, also when a look was under way', async () => {
  await view.now();
  const underWay = view.now({ isFresh: true });
  await stack('blog');
  view.outdate();
  const [, ...after] = await Promise.all([underWay, view.now(), view.now()]);
  for (const snapshot of after) expect(stacks(snapshot)).toEqual(['blog', 'default']);
});

test('a revision is what has changed since the beginning, and those who subscribe are told', async () => {
  let told = 0;
  const over = new AbortController();
  view.subscribe(() => told++, over.signal);
  const first = await view.now();
  const same = await view.now({ isFresh: true });
  expect([same.revision, told]).toEqual([first.revision, 1]);
  await stack('blog');
  const next = await view.now({ isFresh: true });
  expect(view.ring.read(next.revision)).toBe(view.ring.read(first.revision) + 1);
  expect(told).toBe(2);
  over.abort();
  await stack('shop');
  await view.now({ isFresh: true });
  expect(told).toBe(2);
});

test('a look that fails is told to who asked, and the next one looks again', async () => {
  let isBroken = true;
  const broken = makeView({
    kernel: async () => {
      if (isBroken) throw new Error('no plugins');
      return on.kernel;
    },
    journal: journal(),
    log: () => {},
  });
  expect(broken.now()).rejects.toThrow('no plugins');
  await broken.now().catch(() => {});
  isBroken = false;
  expect(stacks(await broken.now())).toEqual(['default']);
  broken.stop();
});

test('a cell that a command restarts is told as it was until that is done, and so are its containers', async () => {
  publish(on.host, { name: 'busybox', cmd: ['sleep', '1000'] });
  await on.apply(cellYaml('web'));
  const before = await view.now();
  const part = { kind: 'Container', path: [...cellRef('web').path, 'web'] };
  const told = ({ resources }: Snapshot) => [cellRef('web'), part].map(ref => resources.get(keyOf(ref))?.text ?? '');
  const pause = on.host.faults.pause('runtime.start');
  const restarting = on.change(cellRef('web'), spec => spec, { verb: 'restart', stopTimeoutMs: 1000 });
  await pause.reached;
  const middle = await view.now({ isFresh: true });
  expect([middle.revision, told(middle)]).toEqual([before.revision, told(before)]);
  pause.resume();
  await restarting;
  const after = await view.now({ isFresh: true });
  expect(told(after)).not.toEqual(told(before));
  expect(after.resources.get(keyOf(cellRef('web')))?.resource.manifest.status?.state).toBe('Ready');
});
