/** `spec.runtime` of a cell: what a manifest may name, what becomes of a change, and of one that is not installed. */
import { beforeEach, expect, test } from 'bun:test';
import { addImage } from '../../fakes/index.ts';
import { cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

const containers = '[{ id: web, image: busybox, root: true }, { id: side, image: busybox }]';
const by = (runtime: string) => cellYaml('web', containers).replace('containers:', `runtime: ${runtime}, containers:`);

let kuke: TestKernel;

beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
});

const results = async (yaml: string) =>
  (await kuke.apply(yaml)).map(({ result, error }) => error?.message ?? result).join();
/** The OCI runtime and the pid of each container, in the order of their names. */
const running = () =>
  [...(kuke.host.runtime.namespaces.get('kukeon-main')?.containers.values() ?? [])]
    .sort((a, b) => (a.config.id < b.config.id ? -1 : 1))
    .map(({ config, task }) => [config.runtime, task?.pid] as const);

test('it goes to every container, and a change takes new ones', async () => {
  expect(await results(cellYaml('web', containers))).toBe('created');
  const before = running();
  expect(before.map(([runtime]) => runtime)).toEqual([undefined, undefined]);

  expect(await results(by('crun'))).toBe('updated');
  const after = running();
  expect(after.map(([runtime]) => runtime)).toEqual(['crun', 'crun']);
  expect(after.filter(([, pid]) => before.some(([, old]) => old === pid))).toEqual([]);
  expect(await results(by('crun'))).toBe('unchanged');
  expect(running()).toEqual(after);
});

test('one that is not installed is named before anything is made or ended', async () => {
  const left = kuke.host.inventory();
  expect(await results(by('/opt/youki'))).toBe('there is no OCI runtime /opt/youki');
  expect(kuke.host.inventory()).toEqual(left);

  expect(await results(cellYaml('web', containers))).toBe('created');
  const before = running();
  expect(await results(by('/opt/youki'))).toBe('there is no OCI runtime /opt/youki');
  expect(running()).toEqual(before);
});

test.each(['bin/crun', 'podman', '/', '/usr/bin/', '""', '[crun]'])('a manifest cannot name %s', async name => {
  await expect(kuke.read(by(name))).rejects.toThrow('spec.runtime');
});
