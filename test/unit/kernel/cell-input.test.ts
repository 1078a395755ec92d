/** What a container's entry may say of its input. */
import { beforeAll, expect, test } from 'bun:test';
import { kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
beforeAll(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
});

test.each([
  ['stdinOnce: true', 'needs `stdin: true`'],
  ['stdinOnce: true, tty: true, stdin: true', 'with `tty`, the end of the input is a key, Ctrl-D'],
])('%s is refused', async (said, why) => {
  const containers = `[{ id: main, image: busybox, ${said} }]`;
  const manifest = `{ apiVersion: v1beta1, kind: Cell, metadata: { name: web }, spec: { containers: ${containers} } }`;
  const error = await kuke.apply(manifest).then(
    () => undefined,
    thrown => thrown,
  );
  expect(error).toMatchObject({ code: 'InvalidManifest', details: { field: 'spec.containers[0].stdinOnce' } });
  expect(error.message).toContain(why);
});
