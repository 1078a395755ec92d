// containerd: once, since it is the host, a plugin, or whoever sends that is at fault
/** What befalls kukeond itself: a full disk, a plugin that throws, hangs or loops, garbage on its socket. It stays, or the next one puts all right. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { eventually } from '../../suites/contract.ts';
import type { Containerd } from '../containerd.ts';
import { cell, container, pidsOf, stateOf, untilState } from '../kuke/cells.ts';
import { apply, kuke, run, start, tryApply } from '../kuke/kuke.ts';
import { leaks, removeCells } from '../kuke/ready-host.ts';
import { failure } from '../kuke-faults/failures.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { output } from '../observe/command.ts';
import { type Inventory, inventory } from '../observe/inventory.ts';
import { ask, containerIn, isNotKukeond, type Kukeond, type Said, startKukeond, statusWhen } from './kukeond.ts';

const DISKS = ['/opt/kukeon', '/var/log/kukeon'];
const SOCKET = '/run/kukeon/kukeond.sock';
const PLUGINS = '/opt/plugins';
const SWITCH = '/run/rude';

let containerd: Containerd;
let before: Inventory;
let kukeond: Kukeond;
beforeAll(async () => {
  for (const folder of DISKS) {
    mkdirSync(folder, { recursive: true });
    await output('mount', '-t', 'tmpfs', '-o', 'size=8m,mode=0755', 'tmpfs', folder);
  }
  containerd = await warmHost();
  installRude();
  before = await inventory();
  process.env.KUKE_NO_DAEMON = '0';
  kukeond = await startKukeond();
});
afterEach(async () => {
  await removeCells();
  expect((await leaks(before)).filter(isNotKukeond)).toEqual([]);
});
afterAll(async () => {
  await kukeond.end();
  await containerd.stop();
});

/** What is in the file that it looks at, before each start of a container: `throw`, `hang` or `loop`. */
function installRude(): void {
  mkdirSync(`${PLUGINS}/rude`, { recursive: true });
  writeFileSync(`${PLUGINS}/rude/package.json`, JSON.stringify({ name: 'rude', main: 'index.ts', kuke: {} }));
  writeFileSync(
    `${PLUGINS}/rude/index.ts`,
    `import { definePlugin } from 'kuke/plugin';
    import { existsSync, readFileSync } from 'node:fs';
    export default definePlugin({
      name: 'rude',
      version: '1.0.0',
      setup(kernel) {
        kernel.hook('step:before', async ({ type }) => {
          const how = type === 'runtime.start' && existsSync('${SWITCH}') ? readFileSync('${SWITCH}', 'utf8') : '';
          if (how === 'throw') throw new Error('I do not like it');
          if (how === 'hang') await new Promise(() => {});
          if (how === 'loop') for (;;);
        });
      },
    });`,
  );
  mkdirSync('/etc/kukeon', { recursive: true });
  writeFileSync('/etc/kukeon/kuke.yaml', `pluginsPath: ${PLUGINS}\npluginTimeLimit: 400\n`);
}

const web = cell('web', [container('main', { restartPolicy: 'always' }), container('side')]);
const pidOf = async (id: string): Promise<number> => (await pidsOf('web'))[id] ?? 0;
const told = (from: number, isIt: (line: Said) => boolean) =>
  eventually(async () => kukeond.said.slice(from).find(isIt), 60_000);

async function comesBack(not: number): Promise<void> {
  const status = await statusWhen(
    'web',
    now => now.state === 'Ready' && ![undefined, not].includes(containerIn(now, 'main').pid),
    60_000,
  );
  expect(status.containers).toHaveLength(2);
}

test('a disk that is full: it answers, what runs goes on; with room again, all is as it was to be, and told again', async () => {
  await apply(web);
  const [main, side] = [await pidOf('main'), await pidOf('side')];
  const from = kukeond.said.length;
  for (const folder of DISKS) await output('sh', '-c', `cat /dev/zero > ${folder}/.fill 2> /dev/null || true`);
  process.kill(main, 'SIGKILL');
  await told(from, ({ level }) => level !== 'info');
  failure(await tryApply(cell('other', [container('main')])), 1, /no space left on device/i);
  expect(JSON.parse(await ask('/v1beta1/cells')).items).toHaveLength(1);
  expect(await stateOf('other').catch(String)).toContain('not found');
  expect(await pidOf('side')).toBe(side);
  for (const folder of DISKS) rmSync(`${folder}/.fill`);
  await comesBack(main);
  await apply(cell('other', [container('main')]));
  await untilState('other', 'Ready');
  const events = await kuke('events', '-o', 'json', '--for', 'cell/other');
  expect(events).toContain('"created"');
});

test('several that are started at once: one stays, and the others name it', async () => {
  await kukeond.end();
  const starts = Array.from({ length: 4 }, () => start(['daemon', 'serve']));
  const ended = starts.map(async one => ({ status: await one.exited, stderr: await one.stderr.text(), pid: one.pid }));
  const gone: Awaited<(typeof ended)[number]>[] = [];
  for (const one of ended) void one.then(how => gone.push(how));
  await eventually(async () => (gone.length === 3 ? true : undefined), 60_000);
  const first = starts.find(({ pid }) => !gone.some(one => one.pid === pid));
  for (const { status, stderr } of gone) {
    expect(status).toBe(5);
    expect(stderr).toContain(`kukeond runs already: pid ${first?.pid}`);
  }
  await eventually(async () => ask('/healthz').catch(() => undefined), 60_000);
  first?.kill('SIGTERM');
  expect(await first?.exited).toBe(0);
  kukeond = await startKukeond();
});

test('a plugin that throws or hangs fails each restart by its name, and no longer than it does', async () => {
  await apply(web);
  for (const [how, why] of [
    ['throw', 'I do not like it'],
    ['hang', 'no answer within 400 ms'],
  ] as const) {
    const [main, side] = [await pidOf('main'), await pidOf('side')];
    const from = kukeond.said.length;
    writeFileSync(SWITCH, how);
    process.kill(main, 'SIGKILL');
    const said = await told(from, ({ message }) => message === 'failed');
    expect(said.why).toMatch(/plugin rude/);
    expect(said.why).toContain(why);
    await statusWhen('web', ({ message }) => message?.includes(why) === true); // it is stored after it is told
    await ask('/healthz');
    rmSync(SWITCH);
    await comesBack(main);
    expect(await pidOf('side')).toBe(side);
  }
});

test('a plugin that loops ends it, by its name; containers go on, and the next one brings back what had ended', async () => {
  await apply(web);
  const [main, side] = [await pidOf('main'), await pidOf('side')];
  writeFileSync(SWITCH, 'loop');
  process.kill(main, 'SIGKILL');
  expect(await kukeond.program.exited).toBe(137);
  expect(kukeond.said.at(-1)?.message).toContain('hook step:before of plugin rude: it loops');
  rmSync(SWITCH);
  kukeond = await startKukeond();
  await comesBack(main);
  expect(await pidOf('side')).toBe(side);
});

test('garbage on its socket: it answers all the same, complains of nothing, and does not grow', async () => {
  const garbage = Buffer.alloc(64 * 1024);
  const from = kukeond.said.length;
  const send = (bytes: Uint8Array) =>
    new Promise<void>(resolve => {
      const socket = createConnection(SOCKET, () => socket.end(bytes));
      socket.once('error', () => {}).once('close', () => resolve());
      socket.resume();
    });
  const round = async () => {
    for (let times = 0; times < 20; times++) {
      crypto.getRandomValues(garbage);
      const head = Buffer.from('POST /v1beta1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n');
      const kinds = [garbage, Buffer.concat([head, garbage]), head.subarray(0, times), Buffer.concat([head, head])];
      await Promise.all(Array.from({ length: 40 }, (_, index) => send(kinds[index % kinds.length] ?? garbage)));
    }
  };
  await round();
  const first = kukeond.resident();
  for (let times = 0; times < 4; times++) await round();
  expect(kukeond.resident() - first).toBeLessThan(64);
  expect(kukeond.said.slice(from).filter(({ level }) => level !== 'info')).toEqual([]);
  expect(JSON.parse(await ask('/v1beta1/cells')).items).toEqual([]);
  expect((await run(['daemon', 'status'])).status).toBe(0);
});
