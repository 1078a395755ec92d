// containerd: once, since a log is a file that the shim appends to, in all versions.
/** kukeond rotates what containers write, while they write it and `kuke logs -f` reads it, and is killed meanwhile. */
process.env.KUKE_NO_DAEMON = '0';

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { eventually } from '../../suites/contract.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { cell, loadImage, logFile, shell } from '../kuke/cells.ts';
import { apply, applyFailing, kuke, start } from '../kuke/kuke.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
  await kuke('init');
  await loadImage();
});
afterAll(async () => {
  await kuke('daemon', 'stop');
  await containerd.stop();
});

const BURSTS = 60;
const A_BURST = 1000;
const lines = Array.from({ length: BURSTS * A_BURST }, (_, number) => `${number}\n`).join('');
const script = `export PATH=/bin; until [ -f /go ]; do sleep 0.05; done; i=0
  while [ $i -lt ${BURSTS} ]; do seq $((i * ${A_BURST})) $((i * ${A_BURST} + ${A_BURST - 1})); i=$((i + 1)); sleep 0.1; done
  until [ -f /end ]; do sleep 0.05; done`;

test('no line is lost or comes twice, also where kukeond is killed; the files are as many and as large as they may be', async () => {
  const logs = { maxSize: '64Ki', maxFiles: 3 };
  await apply(
    cell('web', [
      shell('main', script, { logs }),
      shell('all', script, { logs: { maxSize: '64Ki', maxFiles: 100 } }),
      shell('typed', script, { tty: true, logs: { maxSize: '64Ki', maxFiles: 100 } }),
    ]),
  );
  const pid = Number(JSON.parse(await kuke('daemon', 'status', '-o', 'json')).pid);
  // Of kuke itself, which outlives the daemon.
  const follower = start(['logs', '-f', 'web', '--no-daemon']);
  const followed = follower.stdout.text();
  for (const id of ['main', 'all', 'typed']) await kuke('exec', 'web', '-c', id, '--', '/bin/touch', '/go');
  const folder = dirname(logFile('web', 'main'));
  const piecesOf = (id: string) => readdirSync(folder).filter(name => new RegExp(`^${id}\\.log\\.\\d+$`).test(name));
  await eventually(async () => (piecesOf('all').length > 0 ? true : undefined), 60_000);
  process.kill(pid, 'SIGKILL');
  await Bun.sleep(500);
  await kuke('daemon', 'start');
  for (const id of ['main', 'all', 'typed'])
    await eventually(
      async () =>
        (await kuke('logs', 'web', '-c', id, '--tail', '1')).trim() === `${BURSTS * A_BURST - 1}` ? true : undefined,
      60_000,
    );
  await eventually(async () => (statSync(logFile('web', 'main')).blocks * 512 < 96 * 1024 ? true : undefined), 60_000);
  expect(await kuke('logs', 'web', '-c', 'all')).toBe(lines);
  expect(await kuke('logs', 'web', '-c', 'all', '--no-daemon')).toBe(lines);
  // Of a terminal, too, which the shim would write over.
  expect(await kuke('logs', 'web', '-c', 'typed')).toBe(lines.replaceAll('\n', '\r\n'));
  expect(piecesOf('typed').length).toBeGreaterThan(3);
  const kept = await kuke('logs', 'web');
  expect(kept.length).toBeLessThan(lines.length);
  expect(lines.endsWith(kept)).toBe(true);
  expect(piecesOf('main')).toHaveLength(2);
  expect(piecesOf('all').length).toBeGreaterThan(3);
  for (const name of piecesOf('all')) expect(statSync(`${folder}/${name}`).size).toBeLessThanOrEqual(64 * 1024);
  await kuke('exec', 'web', '--', '/bin/touch', '/end');
  expect((await followed) === lines).toBe(true);
  expect(await follower.exited).toBe(0);
  await kuke('delete', 'cell', 'web', '--cascade');
}, 240_000);

test('limits are changed while it runs, wrong ones are refused, and all of it goes with the cell', async () => {
  await apply(cell('web', [shell('main', 'export PATH=/bin; seq 100000; sleep 1000', { logs: { maxSize: '10Mi' } })]));
  const folder = dirname(logFile('web', 'main'));
  const indexed = () => readFileSync(`${logFile('web', 'main')}.index`, 'utf8').includes('"size":588895');
  await eventually(async () => (indexed() ? true : undefined), 60_000);
  expect(readdirSync(folder).filter(name => /\d{16}$/.test(name))).toEqual([]);
  const applied = await apply(
    cell('web', [
      shell('main', 'export PATH=/bin; seq 100000; sleep 1000', { logs: { maxSize: '128Ki', maxFiles: 2 } }),
    ]),
  );
  expect(applied).toContain('logs');
  await eventually(async () => (readdirSync(folder).some(name => /\d{16}$/.test(name)) ? true : undefined), 60_000);
  expect((await kuke('logs', 'web', '--tail', '2')).split('\n')).toEqual(['99999', '100000', '']);
  const wrong = cell('web', [shell('main', 'true', { logs: { maxSize: '1k' } })]);
  expect(await applyFailing(2, wrong)).toContain('spec.containers[0].logs.maxSize');
  await kuke('delete', 'cell', 'web', '--cascade');
  expect(existsSync(folder)).toBe(false);
}, 120_000);
