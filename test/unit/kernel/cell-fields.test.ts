/** Fields of a container's entry that make no sense without others. */
import { beforeAll, expect, test } from 'bun:test';
import { kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;
beforeAll(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
});

test.each([
  ['stdinOnce: true', 'stdinOnce', 'needs `stdin: true`'],
  ['stdinOnce: true, tty: true, stdin: true', 'stdinOnce', 'with `tty`, the end of the input is a key, Ctrl-D'],
  ['onUnhealthy: restart', 'onUnhealthy', '`restart` needs a healthcheck'],
])('%s is refused', async (said, field, why) => {
  const containers = `[{ id: main, image: busybox, ${said} }]`;
  const manifest = `{ apiVersion: v1beta1, kind: Cell, metadata: { name: web }, spec: { containers: ${containers} } }`;
  const error = await kuke.apply(manifest).then(
    () => undefined,
    thrown => thrown,
  );
  expect(error).toMatchObject({ code: 'InvalidManifest', details: { field: `spec.containers[0].${field}` } });
  expect(error.message).toContain(why);
});
