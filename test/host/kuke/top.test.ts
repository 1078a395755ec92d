// through kukeond, too
// containerd: once, since it reads cgroups, not containerd.
/** top: what runs, by its cgroups; on a terminal until somebody ends it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { cell, container, shell } from './cells.ts';
import { apply, kuke, run, start } from './kuke.ts';
import { onTerminal } from './on-terminal.ts';
import { type ReadyHost, readyHost } from './ready-host.ts';

const BUSY = '/kukeon/main/default/default/busy';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
  await apply(cell('busy', [shell('spin', 'while :; do :; done'), container('side')]), cell('idle'));
});
afterAll(() => host.containerd.stop());

interface Item {
  kind: string;
  name: string;
  cgroup: string;
  cpu?: { cpus: number };
}

test('-o json: what spins has more of the CPU than what waits, at each level', async () => {
  const { seconds, total, items } = JSON.parse(await kuke('top', '-o', 'json', '--level', 'container')) as {
    seconds: number;
    total: Item;
    items: Item[];
  };
  expect(seconds).toBeGreaterThan(0);
  expect(items.map(({ kind, cgroup }) => `${kind} ${cgroup}`)).toEqual([
    'Realm /kukeon/main',
    'Space /kukeon/main/default',
    'Stack /kukeon/main/default/default',
    `Cell ${BUSY}`,
    `Container ${BUSY}/busy_root`,
    `Container ${BUSY}/side`,
    'Cell /kukeon/main/default/default/idle',
    'Container /kukeon/main/default/default/idle/idle_root',
  ]);
  const cpus = (name: string) => items.find(one => one.name === name)?.cpu?.cpus ?? Number.NaN;
  expect(cpus('spin')).toBeGreaterThan(cpus('idle'));
  expect(cpus('spin')).toBeGreaterThan(cpus('side'));
  for (const name of ['busy', 'default', 'main']) expect(cpus(name)).toBeGreaterThanOrEqual(cpus('spin') * 0.9);
  expect(total.cpu?.cpus).toBeGreaterThanOrEqual(cpus('spin') * 0.9);
  // The counter itself, from outside.
  expect(readFileSync(`/sys/fs/cgroup${BUSY}/cpu.stat`, 'utf8')).toMatch(/^usage_usec [1-9]\d{4,}$/m);
});

test('into a pipe: one table; what this host does not count is a dash', async () => {
  const { status, stdout, stderr } = await run(['top', '--interval', '200ms'], { env: { FORCE_COLOR: '1' } });
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).not.toContain('\u001b');
  const [header, ...rows] = stdout.trimEnd().split('\n');
  expect(header?.split(/ +/).slice(0, 4)).toEqual(['NAME', 'CPU%', 'MEMORY', 'LIMIT']);
  expect(rows.map(row => row.trim().split(/ +/)[0])).toEqual(['kukeon', 'main', 'default', 'default', 'busy', 'idle']);
  for (const row of rows) expect(row.trim().split(/ +/).slice(2, 4)).toEqual(['-', '-']);
});

test('Ctrl-C ends the wait of a sample', async () => {
  const program = start(['top', '-o', 'json', '--interval', '1h']);
  await eventually(
    async () => (await Bun.file(`/proc/${program.pid}/status`).text()).match(/^SigCgt:.*[2367abef]$/m) ?? undefined,
  );
  program.kill('SIGINT');
  expect(await program.exited).toBe(1);
  expect(await program.stdout.text()).toBe('');
});

const [ENTER, LEAVE] = ['␛[?1049h␛[?25l', '␛[?25h␛[?1049l'];

test.each([
  ['q', 'q'],
  ['Ctrl-C', '\u0003'],
])('on a terminal: a tree that is drawn again and again, until %s; then the terminal is as it was', async (_, key) => {
  const terminal = onTerminal('top --interval 200ms');
  const first = await terminal.shown(/kuke top.*(?:␛\[H.*){3}busy/s);
  expect(first).toStartWith(ENTER);
  expect(first).toMatch(/NAME.*CPU%.*TREND.*MEMORY/);
  terminal.type('n');
  await terminal.shown(/by name/);
  terminal.resize(40, 6);
  await terminal.shown(/1–2 of 6/);
  terminal.type('\u001b[B');
  await terminal.shown(/2–3 of 6/);
  terminal.type('\u001b[6~\u001b[6~');
  await terminal.shown(/5–6 of 6/);
  terminal.type(key);
  expect(await terminal.exited).toBe(0);
  const all = await terminal.shown(/ -?echo /);
  const after = all.slice(all.indexOf(LEAVE));
  expect(after).toMatch(/ended with 0\r\n/);
  expect(after).toMatch(/ icanon /);
  expect(after).toMatch(/ echo /);
});

test('on a terminal, what comes and goes meanwhile does so there', async () => {
  const terminal = onTerminal('top --interval 100ms --level container --sort name');
  await terminal.shown(/idle/);
  await apply(cell('late', [container('inner')]));
  const shown = await terminal.shown(/late.*inner/s);
  await kuke('delete', 'cell', 'late', '--cascade');
  const isGone = (text: string) =>
    text
      .slice(shown.length)
      .split('␛[H')
      .slice(1, -1)
      .some(frame => !frame.includes('late'));
  await eventually(async () => (isGone(await terminal.shown(/late/)) ? true : undefined), 60_000);
  terminal.type('q');
  expect(await terminal.exited).toBe(0);
});

test('without colours where none are wanted', async () => {
  const terminal = onTerminal('top --interval 100ms', { NO_COLOR: '1' });
  const shown = await terminal.shown(/(?:␛\[H.*){3}busy/s);
  terminal.type('q');
  await terminal.exited;
  const codes = shown.match(/␛\[[\d;]*m/g);
  expect(codes).toBeNull();
});

test('and nothing of it is a screen where the terminal can do nothing', async () => {
  const terminal = onTerminal('top --interval 100ms', { TERM: 'dumb' });
  const shown = await terminal.shown(/ended with 0/);
  expect(shown).not.toContain('␛');
  expect(shown).toMatch(/busy/);
});
