/** A full or read-only disk, a plugin that is ended in the middle: the error is told where it can be, and DEL puts all right. */
import { describe, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { output } from '../../host/observe/command.ts';
import { attachmentOf, expectError, expectMatch, expectResult, left, onHost } from './case.ts';
import { bridge, DEFAULT_ROUTE } from './configs.ts';
import type { Host } from './host.ts';
import { has } from './implementation.ts';
import { type Attachment, add, begin, check, del, type Plugin } from './network.ts';

const BRIDGE = [/^link br0 up$/];
const INTERFACES = has('failed ADD leaves interfaces') ? [/^link veth\S+ br0 up$/, /^container .* eth0/] : [];

/** Mounts a small file system where the reservations are kept, for as long as `body` takes. */
async function onSmallDisk(host: Host, options: string, body: () => Promise<void>): Promise<void> {
  const folder = `${host.folder}/ipam`;
  mkdirSync(folder);
  await output('mount', '-t', 'tmpfs', '-o', options, 'small', folder);
  try {
    await body();
  } finally {
    await output('umount', folder);
  }
}

describe('disk', () => {
  test('full: an I/O failure, nothing is left, and all is well once there is room', () =>
    onHost(host =>
      onSmallDisk(host, 'size=64k', async () => {
        const container = await host.container();
        const attachment = attachmentOf({ name: '', plugins: () => [bridge(host)] }, host, container);
        const filler = `${host.folder}/ipam/filler`;
        await output('sh', '-c', `mkdir ${host.folder}/ipam/net; cat /dev/zero > ${filler} 2> /dev/null || true`);
        const before = await host.snapshot();
        expectError(await add(attachment), has('internal errors') ? 999 : { code: 5, msg: /space/i });
        const after = await host.snapshot();
        expect(left(before, after, [...BRIDGE, ...INTERFACES])).toEqual([]);
        expectMatch(await del(attachment), { status: 0, stdout: '' });
        expect(left(before, await host.snapshot())).toEqual([]);
        await output('rm', filler);
        const result = expectResult(await add(attachment), '1.0.0');
        expectMatch(await check(attachment, result), { status: 0 });
        expectMatch(await del(attachment, result), { status: 0, stdout: '' });
      }),
    ));

  test('read-only: an I/O failure, and nothing is left', () =>
    onHost(host =>
      onSmallDisk(host, 'ro', async () => {
        const container = await host.container();
        const attachment = attachmentOf({ name: '', plugins: () => [bridge(host)] }, host, container);
        const before = await host.snapshot();
        expectError(await add(attachment), has('internal errors') ? 999 : { code: 5, msg: /read-only/i });
        expect(left(before, await host.snapshot(), [...BRIDGE, ...INTERFACES])).toEqual([]);
      }),
    ));

  test('files in the folder of the reservations that are none are passed over', () =>
    onHost(async host => {
      const container = await host.container();
      const folder = `${host.folder}/ipam/net`;
      mkdirSync(`${folder}/a-folder`, { recursive: true });
      for (const name of ['10.77.0.2.tmp', 'README', '.hidden', '10.77.0.999']) writeFileSync(`${folder}/${name}`, 'x');
      const attachment = attachmentOf({ name: '', plugins: () => [bridge(host)] }, host, container);
      const before = await host.snapshot();
      const result = expectResult(await add(attachment), '1.0.0');
      expectMatch(await check(attachment, result), { status: 0 });
      expectMatch(await del(attachment, result), { status: 0, stdout: '' });
      const index = has('host-local: an index') ? [/\.by-id\/\w+\.0$/] : [];
      expect(left(before, await host.snapshot(), index)).toEqual([]);
    }));
});

const whole = (host: Host): Plugin[] => [
  bridge(host, { isGateway: true, ipMasq: true, macspoofchk: true }, DEFAULT_ROUTE),
];
/** Left by those whose DEL needs the address, or a whole rule, to find it. */
const LEFTOVERS = has('NAT rules by address')
  ? [/CNI-[0-9a-f]{24}|10\.77\.0\.|chain bridge nat cni-br-iface-|macspoofchk/]
  : [];

/** Hundredths of the time that a verb takes. */
const MOMENTS = [5, 30, 50, 60, 70, 80, 90, 100];

/** Starts a verb and ends it at a moment of the time that it took before; whether it was still running does not matter. */
async function interrupted(attachment: Attachment, verb: string, signal: NodeJS.Signals, milliseconds: number) {
  const running = begin(attachment, verb, attachment.network.plugins[0] as Plugin);
  await Bun.sleep(milliseconds);
  running.kill(signal);
  return await running.answer;
}

/** Milliseconds that ADD and DEL take. */
async function durations(attachment: Attachment): Promise<[add: number, del: number]> {
  const started = performance.now();
  const result = expectResult(await add(attachment), '1.0.0');
  const added = performance.now();
  await del(attachment, result);
  return [added - started, performance.now() - added];
}

describe.each(['SIGKILL', 'SIGTERM'] as const)('%s', signal => {
  test('in the middle of ADD: DEL leaves nothing, and the next ADD works', () =>
    onHost(async host => {
      const container = await host.container();
      const attachment = attachmentOf({ name: '', plugins: whole }, host, container);
      const before = await host.snapshot();
      const [duration] = await durations(attachment);
      for (const moment of MOMENTS) {
        const answer = await interrupted(attachment, 'ADD', signal, (duration * moment) / 100);
        // Who could still say something said something whole.
        if (answer.status === 0) expectResult(answer, '1.0.0');
        else if (signal === 'SIGTERM' && !has('SIGTERM is not minded')) {
          if (answer.stdout !== '') expectError(answer, Number(answer.json?.code), '1.0.0');
          expect(left(before, await host.snapshot())).toEqual([]);
        }
        await del(attachment);
        expectMatch(await del(attachment), { status: 0, stdout: '' });
        expect(left(before, await host.snapshot(), LEFTOVERS)).toEqual([]);
      }
      const result = expectResult(await add(attachment), '1.0.0');
      expectMatch(await check(attachment, result), { status: 0 });
      await del(attachment, result);
    }));

  test('in the middle of DEL: the next DEL leaves nothing', () =>
    onHost(async host => {
      const container = await host.container();
      const before = await host.snapshot();
      const [, duration] = await durations(
        attachmentOf({ name: '', plugins: whole, containerId: 'c' }, host, container),
      );
      for (const [index, moment] of MOMENTS.entries()) {
        const containerId = `c${index}`;
        const attachment = attachmentOf({ name: '', plugins: whole, containerId }, host, container);
        expectResult(await add(attachment), '1.0.0');
        await interrupted(attachment, 'DEL', signal, (duration * moment) / 100);
        await del(attachment);
        expectMatch(await del(attachment), { status: 0, stdout: '' });
        expect(left(before, await host.snapshot(), LEFTOVERS)).toEqual([]);
      }
    }));
});
