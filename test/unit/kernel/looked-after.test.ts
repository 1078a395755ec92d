/** What a cell's status says where kukeond looks after it, and where nobody does: health checks, what a root leaves behind. */
import { expect, test } from 'bun:test';
import { addImage } from '../../fakes/index.ts';
import { cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;

async function begin(isSupervised: boolean): Promise<void> {
  kuke = await kernelOnFakes({ isSupervised });
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  const checked = 'healthcheck: { tcp: { port: 80 } }';
  await kuke.apply(cellYaml('web', `[{ id: main, image: busybox, ${checked} }, { id: side, image: busybox }]`));
}

async function seen(): Promise<unknown[]> {
  const cell = await kuke.get('Cell', 'main', 'default', 'default', 'web');
  const column = kuke.kernel.kinds.get('Cell').columns?.find(({ header }) => header === 'READY');
  const { state, reason, containers } = cell.manifest.status as {
    state: string;
    reason?: string;
    containers: object[];
  };
  return [state, reason, column?.value(cell), containers.map(one => ('health' in one ? one.health : undefined))];
}

test('where kukeond looks, what was started is not ready before it was seen to be well', async () => {
  await begin(true);
  expect(await seen()).toEqual(['Degraded', 'ContainersNotReady', '1/2', ['starting', undefined]]);
  kuke.host.exit('kukeon-main', 'default_default_web_root', 1);
  expect(await seen()).toEqual(['Failed', 'RootExited', '1/2', [undefined, undefined]]);
});

test('where nobody looks it counts neither for nor against it', async () => {
  await begin(false);
  expect(await seen()).toEqual(['Ready', undefined, '2/2', [undefined, undefined]]);
});

test.each([
  [true, 'kukeond sees to it'],
  [false, 'the next command that changes something'],
])('who stops what a root leaves behind, where kukeond runs: %p', async (isSupervised, who) => {
  await begin(isSupervised);
  kuke.host.exit('kukeon-main', 'default_default_web_root', 0);
  const cell = await kuke.get('Cell', 'main', 'default', 'default', 'web');
  expect(cell.manifest.status?.message).toBe(
    `the root container \`main\` ended well; \`side\` is still running until ${who}`,
  );
});
