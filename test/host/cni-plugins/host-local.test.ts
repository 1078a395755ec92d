/** host-local as programs, ours and the reference plugin, many at once and killed; and on disks that are full. */
import '../box.ts';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostLocal } from '../../../src/cni/plugins/host-local/host-local.ts';
import { type AnyCall, callOf, type DataDir, dataDir, refusal } from '../../unit/cni/plugins/host-local/call.ts';

const MAIN = join(import.meta.dir, '../../../src/main.ts');
const OURS = [process.execPath, MAIN];
const REFERENCE = ['/usr/lib/cni/host-local'];

let data: DataDir;
beforeEach(() => {
  data = dataDir();
});
afterEach(() => data[Symbol.dispose]());

function start(program: string[], command: string, id: string, subnet: string) {
  const ipam = { type: 'host-local', dataDir: data.path, subnet };
  const child = Bun.spawn(program, {
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_IFNAME: 'eth0',
      CNI_NETNS: '/run/netns/x',
      CNI_PATH: '/usr/lib/cni',
    },
    stdin: new TextEncoder().encode(JSON.stringify({ cniVersion: '1.0.0', name: 'net', type: 'host-local', ipam })),
    stdout: 'pipe',
    stderr: 'inherit',
    cwd: '/',
  });
  return child;
}

async function run(program: string[], command: string, id: string, subnet: string) {
  const child = start(program, command, id, subnet);
  const text = await child.stdout.text();
  const answer: { ips?: { address: string }[]; code?: number; msg?: string } =
    text.trim() === '' ? {} : JSON.parse(text);
  return { id, status: await child.exited, ...answer };
}

const either = (index: number) => (index % 2 === 0 ? OURS : REFERENCE);
const of = (containerId: string, more: Partial<AnyCall> = {}) =>
  callOf({ type: 'host-local', dataDir: data.path, subnet: '10.1.0.0/24' }, { containerId, ...more });
const bookkeeping = ['last_reserved_ip.0', 'lock'];

describe('fifty at once, ours and theirs', () => {
  const fifty = (subnet: string, command: string) =>
    Promise.all(Array.from({ length: 50 }, (_, index) => run(either(index), command, `c${index}`, subnet)));

  test('get an address each, and give it back', async () => {
    const made = await fifty('10.1.0.0/24', 'ADD');
    expect(made.filter(({ status }) => status !== 0)).toEqual([]);
    const given = made.map(({ id, ips }) => [ips?.[0]?.address.replace('/24', ''), `${id} eth0`]);
    expect(data.given()).toEqual(Object.fromEntries(given));
    expect(new Set(given.map(([address]) => address)).size).toBe(50);

    expect((await fifty('10.1.0.0/24', 'DEL')).filter(({ status }) => status !== 0)).toEqual([]);
    await hostLocal.gc(of('x'));
    expect(data.names()).toEqual(bookkeeping);
  });

  test('for twenty-nine addresses: so many get one, the others are told', async () => {
    const made = await fifty('10.1.0.0/27', 'ADD');
    expect(made.filter(({ status }) => status === 0)).toHaveLength(29);
    const refused = made.filter(({ status }) => status !== 0);
    expect(
      refused.every(({ msg }) => msg?.includes('no IP addresses available in range set: 10.1.0.1-10.1.0.30')),
    ).toBe(true);
    expect(Object.keys(data.given())).toHaveLength(29);
  });
});

test('killed at any moment they leave whole reservations, or none, and the lock to the next', async () => {
  const alive: string[] = [];
  for (let round = 0; round < 12; round++) {
    const batch = Array.from({ length: 5 }, (_, index) => `r${round}-${index}`);
    const children = batch.map((id, index) => start(either(index), 'ADD', id, '10.1.0.0/24'));
    await Bun.sleep(Math.random() * (round % 2 === 0 ? 15 : 120));
    for (const child of children) child.kill('SIGKILL');
    const ended = await Promise.all(children.map(child => child.exited));
    alive.push(...batch.filter((_, index) => ended[index] === 0));

    const started = readdirSync(data.path).length > 0;
    for (const [address, who] of Object.entries(data.given())) {
      // The reference plugin's file is there before its content.
      if (who !== '') expect([address, who]).toEqual([address, expect.stringMatching(/^(?:r\d+-\d|n\d+) eth0$/)]);
    }
    const next = await run(either(round), 'ADD', `n${round}`, '10.1.0.0/24');
    expect([started, next.status]).toEqual([started, 0]);
    alive.push(`n${round}`);
  }
  await hostLocal.gc(of('x', { valid: alive.map(containerId => ({ containerId, ifName: 'eth0' })) }));
  expect(Object.values(data.given()).sort()).toEqual(alive.map(id => `${id} eth0`).sort());
  await hostLocal.gc(of('x'));
  expect(data.names()).toEqual(bookkeeping);
});

describe('a lock that somebody holds', () => {
  const holder = async () => {
    const path = join(data.folder, 'lock');
    const child = Bun.spawn(['flock', path, 'sh', '-c', 'echo held; exec sleep 1000'], { stdout: 'pipe' });
    const { value } = await child.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toBe('held\n');
    return child;
  };
  /** flock(1) itself, and what it runs, share the lock. */
  const end = (child: { pid: number }) => {
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
    for (const pid of [...children.filter(Boolean), child.pid]) process.kill(Number(pid), 'SIGKILL');
  };

  test('is waited for, and comes free when its holder is killed', async () => {
    await hostLocal.add(of('c1'));
    const child = await holder();
    let done = false;
    const waiting = hostLocal.add(of('c2')).finally(() => {
      done = true;
    });
    expect((await refusal(hostLocal.add(of('c3', { args: [['IP', 'x']] })))).code).toBe(4); // the process goes on meanwhile
    expect(done).toBe(false);
    end(child);
    expect((await waiting).ips[0]?.address).toBe('10.1.0.3/24');
  });

  test('is waited for no longer than the caller wants', async () => {
    await hostLocal.add(of('c1'));
    const child = await holder();
    const waiting = hostLocal.add(of('c2', { signal: AbortSignal.timeout(50) }));
    expect(await waiting.catch((error: unknown) => error)).toMatchObject({ name: 'TimeoutError' });
    end(child);
    expect(data.given()).toEqual({ '10.1.0.2': 'c1 eth0' });
  });

  test('also by those behind whom another call of this process waits already: what they wanted is not done later', async () => {
    await hostLocal.add(of('c1'));
    const child = await holder();
    const first = hostLocal.add(of('c2'));
    const calledOff = [
      hostLocal.add(of('c3', { signal: AbortSignal.timeout(20) })),
      hostLocal.add(of('c4', { signal: AbortSignal.abort() })),
    ];
    const behind = hostLocal.add(of('c5'));
    const outcomes = Promise.allSettled(calledOff);
    expect(await Promise.race([first, outcomes])).toMatchObject([
      { status: 'rejected', reason: { name: 'TimeoutError' } },
      { status: 'rejected', reason: { name: 'AbortError' } },
    ]);
    end(child);
    for (const waiting of [first, behind]) await waiting;
    expect(data.given()).toEqual({ '10.1.0.2': 'c1 eth0', '10.1.0.3': 'c2 eth0', '10.1.0.4': 'c5 eth0' });
  });
});

describe('a small disk', () => {
  const mount = (...words: string[]) => expect(Bun.spawnSync(words).stderr.toString()).toBe('');
  beforeEach(() => mount('mount', '-t', 'tmpfs', '-o', 'size=64k,nr_inodes=20', 'small', data.path));
  afterEach(() => mount('umount', '-l', data.path));
  const files = () => readdirSync(data.path, { recursive: true, encoding: 'utf8' }).sort();
  const spare = () => statfsSync(data.path).bavail;
  const fill = (keep: number) => writeFileSync(join(data.path, 'fill'), new Uint8Array((spare() - keep) * 4096));

  test('that is full is told as such, nothing stays, and DEL and GC still work', async () => {
    await hostLocal.add(of('c1'));
    await hostLocal.add(of('c2'));
    const before = files();
    let refused = 0;
    for (const free of [0, 1, 2, 3, 4, 5]) {
      fill(free);
      const used = files();
      const outcome = await hostLocal.add(of('c3')).catch((error: unknown) => error);
      if (outcome instanceof Error) {
        refused++;
        expect(outcome).toMatchObject({
          code: 5,
          details: expect.stringContaining('No space left on device (ENOSPC)'),
        });
        expect(files()).toEqual(used);
      }
      await hostLocal.del(of('c3'));
      rmSync(join(data.path, 'fill'));
      expect(files()).toEqual(before);
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(6);
    fill(0);
    expect(await refusal(hostLocal.status(of('c3')))).toMatchObject({
      code: 50,
      msg: expect.stringContaining('is full'),
    });
    await hostLocal.del(of('c1'));
    await hostLocal.gc(of('x'));
    expect(data.names()).toEqual(bookkeeping);
  });

  test('that has no inodes left is told as such', async () => {
    await hostLocal.add(of('c1'));
    mkdirSync(join(data.path, 'many'));
    const more = () => {
      for (let index = 0; ; index++) writeFileSync(join(data.path, 'many', `${index}`), '');
    };
    expect(more).toThrow('ENOSPC');
    const before = files();
    expect(await refusal(hostLocal.add(of('c2')))).toMatchObject({ code: 5 });
    expect(await refusal(hostLocal.status(of('c2')))).toMatchObject({ code: 50 });
    expect(files()).toEqual(before);
    await hostLocal.del(of('c1'));
    expect(data.given()).toEqual({});
  });

  test('that is read-only is told as such', async () => {
    await hostLocal.add(of('c1'));
    mount('mount', '-o', 'remount,ro', data.path);
    const readOnly = 'Read-only file system (EROFS)';
    expect(await refusal(hostLocal.add(of('c2')))).toMatchObject({
      code: 5,
      details: expect.stringContaining(readOnly),
    });
    expect(await refusal(hostLocal.status(of('c2')))).toMatchObject({
      code: 50,
      details: expect.stringContaining(readOnly),
    });
  });
});
