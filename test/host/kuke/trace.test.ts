/** KUKE_TRACE: where a command's time went, for ui.perfetto.dev. */
// containerd: once, since what is written is of kuke alone
import { beforeAll, expect, test } from 'bun:test';
import { chownSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { startContainerd } from '../containerd.ts';
import { output } from '../observe/command.ts';
import { cell, container, getCell, loadImage } from './cells.ts';
import { kuke, type Ran, run } from './kuke.ts';

interface TraceEvent {
  ph: string;
  pid: number;
  tid: number;
  cat: string;
  name: string;
  ts: number;
  dur: number;
  args: { about?: string; name?: string; unfinished?: true };
}

const FILE = '/root/kuke.trace.json';

beforeAll(async () => {
  await startContainerd();
  await kuke('init');
  await loadImage();
});

const tracing = (file: string, ...args: string[]): Promise<Ran> =>
  run(args, { env: { KUKE_TRACE: file }, stdin: JSON.stringify(web) });

const web = cell('web', [container('main', { env: ['PASSWORD=hidden'] })]);

const spansIn = (file: string): TraceEvent[] =>
  (JSON.parse(`${readFileSync(file, 'utf8')}]`) as TraceEvent[]).filter(({ ph }) => ph === 'X');

test('every operation of an apply is in it, within the command, and a later command goes on with the file', async () => {
  expect(await tracing(FILE, 'apply', '-f', '-')).toMatchObject({
    status: 0,
    stdout: 'cell main/default/default/web created\n',
  });
  const spans = spansIn(FILE);
  const of = (name: string) => spans.find(span => span.name === name);
  const command = of('kuke apply');
  const about = 'cell main/default/default/web';
  const operations = spans.filter(({ cat, name }) => cat === 'operation' && !name.startsWith('look: '));
  // A file more where this host has name servers of its own.
  expect([...new Set(operations.map(({ name }) => name))].sort()).toEqual([
    'cell.writeHosts',
    'cgroup.create',
    'cgroup.leaf',
    'network.attach',
    'network.open',
    'runtime.create',
    'runtime.start',
    'store.write',
    'store.writeFile',
  ]);
  for (const span of [...operations, of('lock'), of('plan'), of('Tasks/Create'), of('sync'), of('observe')]) {
    expect(span?.ts).toBeGreaterThanOrEqual(command?.ts ?? Number.POSITIVE_INFINITY);
    expect((span?.ts ?? 0) + (span?.dur ?? 0)).toBeLessThanOrEqual((command?.ts ?? 0) + (command?.dur ?? 0));
  }
  for (const { args } of operations) expect(args).toEqual({ about });
  expect(readFileSync(FILE, 'utf8')).not.toContain('hidden');
  expect(statSync(FILE).mode & 0o777).toBe(0o600);

  expect((await tracing(FILE, 'get', 'cells')).status).toBe(0);
  const both = spansIn(FILE);
  expect(new Set(both.map(({ pid }) => pid)).size).toBe(2);
  expect(both.map(({ name }) => name)).toContain('kuke get');
});

test('a command that fails leaves what it did until then', async () => {
  const file = '/root/failed.trace.json';
  expect((await tracing(file, 'get', 'cell', 'nobody')).status).toBe(3);
  expect(spansIn(file).map(({ name }) => name)).toContain('read the tree');
});

test('a file that others could have put there, or that is no place for it, is refused before anything is done', async () => {
  mkdirSync('/tmp/theirs');
  chownSync('/tmp/theirs', 1000, 1000);
  symlinkSync('/etc/planted', '/tmp/link.json');
  writeFileSync('/tmp/file.json', '');
  chownSync('/tmp/file.json', 1000, 1000);
  const places = [
    '/tmp/theirs/t.json',
    '/tmp/link.json',
    '/tmp/file.json',
    'relative.json',
    '/root/absent/t.json',
    '/root',
  ];
  for (const file of places) {
    const { status, stdout, stderr } = await tracing(file, 'delete', 'cell', 'web', '--cascade');
    expect({ file, status, stdout }).toEqual({ file, status: 2, stdout: '' });
    expect(stderr).toStartWith('error: KUKE_TRACE: ');
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  }
  expect(existsSync('/etc/planted')).toBeFalse();
  expect(readFileSync('/tmp/file.json', 'utf8')).toBe('');
  expect((await getCell('web')).status.state).toBe('Ready');
});

test('a trace that cannot be written is told of, and the command does what it is to do', async () => {
  mkdirSync('/root/full');
  await output('mount', '-t', 'tmpfs', '-o', 'size=4k,mode=0700', 'full', '/root/full');
  writeFileSync('/root/full/rest', 'x'.repeat(4096));
  const { status, stdout, stderr } = await run(['version'], { env: { KUKE_TRACE: '/root/full/t.json' } });
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^kuke \d/) });
  expect(stderr).toMatch(/^warning: KUKE_TRACE: \/root\/full\/t\.json: .*no space left/i);
});
