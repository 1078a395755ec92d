/** Which OCI runtime containerd's shim is told to call, as containerd has it, and one that is not there. */
// containerd: once, since what a container says of its runtime is the same message in all of them.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { context, failure } from '../../suites/contract.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { output } from '../observe/command.ts';
import * as ctr from '../observe/containerd.ts';
import { containersOf, importImage, NAMESPACE, type RuntimeOptions, runtimeOn } from './runtime-under-test.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
  await runtimeOn().createNamespace({ namespace: NAMESPACE }, context());
  await importImage(NAMESPACE);
  mkdirSync('/opt/oci', { recursive: true });
});
afterAll(() => containerd.stop());

/** A runc that writes down each call. */
const CALLS = '/opt/oci/calls';
const scribe = (path: string) => {
  writeFileSync(path, `#!/bin/sh\necho "$0 $*" >> ${CALLS}\nexec runc "$@"\n`);
  chmodSync(path, 0o755);
};
const on = (config: RuntimeOptions['config'] = {}) => containersOf(runtimeOn({ config }));
const optionsOf = async (id: string): Promise<unknown> => {
  const { Runtime } = JSON.parse(await output('ctr', '-n', NAMESPACE, 'containers', 'info', id));
  return Runtime.Options?.value === undefined ? undefined : Buffer.from(Runtime.Options.value, 'base64').toString();
};
const active = async () => (await ctr.snapshots(NAMESPACE)).filter(({ kind }) => kind === 'Active');

test('the name that the container asks for, else the configured one, else the shim’s own', async () => {
  for (const [config, runtime, expected] of [
    [{}, undefined, undefined],
    [{ runtime: 'runc' }, undefined, undefined],
    [{}, '/usr/sbin/runc', '/usr/sbin/runc'],
    [{ runtime: '/usr/sbin/runc' }, undefined, '/usr/sbin/runc'],
    [{ runtime: '/usr/sbin/runc' }, 'runc', undefined],
  ] as const) {
    const { create, remove } = on(config);
    await create('a', runtime === undefined ? {} : { runtime });
    const found = await optionsOf('a');
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toEndWith(expected);
    await remove('a');
  }
});

test('it is what runs, stops and removes the container, whatever is configured meanwhile', async () => {
  scribe('/opt/oci/scribe');
  await on({ runtime: '/opt/oci/scribe' }).running('a');
  const { stop, remove } = on();
  await stop('a');
  await remove('a');
  const calls = (await Bun.file(CALLS).text()).trim().split('\n');
  for (const verb of ['create', 'start', 'kill', 'delete']) {
    expect(calls.filter(call => call.startsWith('/opt/oci/scribe ') && call.includes(` ${verb} `))).not.toEqual([]);
  }
  rmSync('/opt/oci/scribe');
});

test('one that is not there is named, and nothing is made', async () => {
  for (const runtime of ['/opt/oci/nobody', '/opt/oci']) {
    const error = await failure(on().create('a', { runtime }), 'HostNotReady');
    expect(error.message).toBe(`there is no OCI runtime ${runtime}`);
  }
  const configured = await failure(on({ runtime: '/opt/oci/nobody' }).create('a'), 'HostNotReady');
  expect(configured.message).toContain('/opt/oci/nobody');
  expect(await ctr.containers(NAMESPACE)).toEqual([]);
  expect(await active()).toEqual([]);
});

test('one that went after the creation is named at the start, and comes back', async () => {
  scribe('/opt/oci/scribe');
  const { create, start, stop, remove, the } = on();
  await create('a', { runtime: '/opt/oci/scribe' });
  rmSync('/opt/oci/scribe');
  const error = await failure(start('a'), 'HostNotReady');
  expect(error.message).toContain('/opt/oci/scribe');
  scribe('/opt/oci/scribe');
  await start('a');
  await stop('a', 0);
  await remove('a');
  expect(await ctr.containers(NAMESPACE)).not.toContain(the('a').id);
});

test('one that others than root can change is refused', async () => {
  copyFileSync('/bin/true', '/opt/oci/anybodys');
  chmodSync('/opt/oci/anybodys', 0o777);
  const error = await failure(on().create('a', { runtime: '/opt/oci/anybodys' }), 'HostNotReady');
  expect(error.message).toContain('/opt/oci/anybodys can be changed by others');
  expect(error.remedy).toContain('chmod');
});
