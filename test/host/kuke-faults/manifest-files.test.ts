// containerd: once, since none of what is refused here reaches it.
/** Files that are no manifests, and text that would steer the terminal. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { eventually } from '../../suites/contract.ts';
import type { Containerd } from '../containerd.ts';
import { cell, container, manifest } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { binary, kuke, run, tryApply } from '../kuke/kuke.ts';
import type { Inventory } from '../observe/inventory.ts';
import { CONTROL, expectSame, failure } from './failures.ts';
import { warmHost } from './warm-host.ts';

let containerd: Containerd;
let before: Inventory;
beforeAll(async () => {
  containerd = await warmHost();
  before = await footprint();
});
afterAll(() => containerd.stop());

const leavesNothing = () =>
  test('and nothing of all this was applied', async () => {
    await expectSame(before);
  });

describe('files', () => {
  const refusedFile = async (file: string, code: number, ...says: (string | RegExp)[]) =>
    failure(await run(['apply', '-f', file]), code, file, ...says);
  const write = (content: string | Uint8Array): string => {
    writeFileSync('/tmp/manifest.yaml', content);
    return '/tmp/manifest.yaml';
  };

  test.each<[string, string]>([
    ['nothing', ''],
    ['a comment', '# soon\n---\n'],
  ])('with %s in it', async (_, content) => {
    await refusedFile(write(content), 2, 'there is no manifest in it');
  });

  test('that is binary', async () => {
    await refusedFile(write(crypto.getRandomValues(new Uint8Array(60_000))), 2, 'is not text in UTF-8');
    await refusedFile(write(new Uint8Array(1000)), 2, ':1:1: ');
    await refusedFile('/bin/busybox', 2, 'is not text in UTF-8');
    await refusedFile(write('\u001b]0;title\u0007: [\u009b31m'), 2, 'not valid YAML');
  });

  test('that is larger than any manifest, or has no end', async () => {
    truncateSync(write(''), 10 * 2 ** 30);
    await refusedFile('/tmp/manifest.yaml', 2, 'is larger than 8 MiB');
    await refusedFile('/dev/zero', 2, 'is larger than 8 MiB');
    failure(await run(['apply', '-f', '-'], { stdin: new Uint8Array(9 * 2 ** 20).fill(0x23) }), 2, 'larger than 8 MiB');
  });

  test('that is not there, or a folder', async () => {
    await refusedFile('/tmp/absent.yaml', 2, 'No such file or directory (ENOENT)');
    mkdirSync('/tmp/folder');
    await refusedFile('/tmp/folder', 2, '(EISDIR)');
    failure(await run(['delete', '-f', '/tmp/absent.yaml']), 2, 'No such file or directory (ENOENT)');
  });

  test('that nobody writes to is waited for until Ctrl-C', async () => {
    Bun.spawnSync(['mkfifo', '/tmp/pipe']);
    for (const file of ['/tmp/pipe', '-']) {
      const waiting = Bun.spawn([binary, 'apply', '-f', file], { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' });
      await eventually(async () => catches(waiting.pid, 'SIGINT') || undefined, 60_000);
      waiting.kill('SIGINT');
      const [stdout, stderr, status] = await Promise.all([
        waiting.stdout.text(),
        waiting.stderr.text(),
        waiting.exited,
      ]);
      failure({ status, stdout, stderr }, 1, 'cancelled by SIGINT');
    }
  });

  leavesNothing();
});

/** Whether a process has a handler of its own for a signal (proc_pid_status(5), SigCgt). */
function catches(pid: number, signal: 'SIGINT'): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals[signal] - 1))) !== 0n;
}

describe('control characters', () => {
  const hostile = 'a\u001b]0;x\u0007\r\u007f\u009b31m\u202e';

  test('of a manifest do not reach the terminal raw', async () => {
    const refused = async (document: object, code: number, says: string) =>
      failure(await tryApply(document), code, says);
    await refused(manifest('Cell', hostile), 2, 'metadata.name');
    await refused(manifest(hostile, 'web'), 2, 'unknown kind');
    await refused({ ...manifest('Cell', 'web'), [hostile]: 1 }, 2, 'unknown field');
    await refused(cell('web', [container('a', { volumes: [{ kind: hostile, target: '/x' }] })]), 2, 'volumes[0].kind');
    await refused(cell('web', [container('a', { image: hostile })]), 2, 'containers[0].image: is no image name');
  });

  test('of the command line do not reach the terminal raw', async () => {
    for (const command of [
      [hostile],
      ['get', hostile],
      ['get', 'cell', hostile],
      ['get', 'cells', '-l', hostile],
      ['apply', '-f', hostile],
      ['get', 'cells', '-o', hostile],
      ['get', 'cells', `--${hostile}`],
      ['--run-path', hostile, 'get', 'cells'],
    ])
      failure(await run(command), 2);
  });

  test('of labels are shown escaped, and given back as they were', async () => {
    const labels = { [hostile]: hostile };
    const stack = JSON.stringify({ apiVersion: 'v1beta1', kind: 'Stack', metadata: { name: 'lab', labels } });
    const changed = stack.replaceAll('0;x', '0;y');
    const shown = [
      await tryApply(stack),
      await tryApply(changed),
      await run(['get', 'stack', 'lab', '-o', 'yaml']),
      await run(['get', 'stack', 'lab', '-o', 'json']),
      await run(['get', 'stacks', '-o', 'wide']),
    ];
    for (const { stdout, stderr } of shown) expect(stdout + stderr).not.toMatch(CONTROL);
    expect(await tryApply(shown[2]?.stdout ?? '')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('unchanged'),
    });
    expect(await tryApply(shown[3]?.stdout ?? '')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('unchanged'),
    });
    await kuke('delete', 'stack', 'lab');
  });

  leavesNothing();
});
