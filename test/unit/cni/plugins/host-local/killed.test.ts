/** SIGKILL between any two effects on the disk. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import { hostLocal } from '../../../../../src/cni/plugins/host-local/host-local.ts';
import { type AnyCall, callOf, type DataDir, dataDir, refusal } from './call.ts';

let data: DataDir;
beforeEach(() => {
  data = dataDir();
});
afterEach(() => data[Symbol.dispose]());

const ranges = [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]];
const of = (containerId: string, more: Partial<AnyCall> = {}) =>
  callOf({ type: 'host-local', dataDir: data.path, ranges }, { containerId, ...more });
const holders = (id: string) => Object.values(data.given()).filter(who => who === `${id} eth0`).length;

/** Whether it was killed. */
async function killedAt(effect: number, verb: string, id: string): Promise<boolean> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'killed-at.ts'), verb, data.path, id, `${effect}`], {
    stderr: 'inherit',
  });
  expect([0, 137]).toContain(await child.exited);
  return child.signalCode === 'SIGKILL';
}

/** Runs a verb for containers k1, k2, ..., each killed one effect later, until one is through; returns how many were killed. */
async function eachKilled(verb: string, then: (id: string) => Promise<void>): Promise<number> {
  for (let effect = 1; ; effect++) {
    const id = `k${effect}`;
    if (verb !== 'add') await hostLocal.add(of(id));
    if (!(await killedAt(effect, verb, id))) return effect - 1;
    await then(id);
  }
}

test('of an ADD leaves whole reservations or none, in nobody’s way, and DEL takes them back', async () => {
  await hostLocal.add(of('before'));
  const partly = new Set<number>();
  const killed = await eachKilled('add', async id => {
    partly.add(holders(id));
    expect(Object.values(data.given()).every(who => ['before eth0', `${id} eth0`].includes(who))).toBe(true);
    if (holders(id) > 0) expect((await refusal(hostLocal.add(of(id)))).msg).toContain(`has been allocated to ${id}`);
    await hostLocal.add(of(`after-${id}`));
    expect(holders(`after-${id}`)).toBe(2);
    for (const one of [id, `after-${id}`]) await hostLocal.del(of(one));
    expect(holders('before')).toBe(2);
    expect(Object.keys(data.given())).toHaveLength(2);
  });
  expect(killed).toBeGreaterThan(6);
  expect([...partly].sort()).toEqual([0, 1, 2]);
}, 60_000);

test('of a DEL is made good by the next, or by GC', async () => {
  const killed = await eachKilled('del', async id => {
    if (holders(id) % 2 === 0) await hostLocal.del(of(id));
    else await hostLocal.gc(of('x'));
    expect(data.names()).toEqual(['last_reserved_ip.0', 'last_reserved_ip.1', 'lock']);
  });
  expect(killed).toBeGreaterThan(1);
}, 60_000);

test('of a GC is made good by the next', async () => {
  const killed = await eachKilled('gc', async id => {
    await hostLocal.add(of(`after-${id}`));
    await hostLocal.gc(of('x'));
    expect(data.names()).toEqual(['last_reserved_ip.0', 'last_reserved_ip.1', 'lock']);
  });
  expect(killed).toBeGreaterThan(1);
}, 60_000);

test('a hundred at once in one process get an address each', async () => {
  const made = await Promise.all(Array.from({ length: 100 }, (_, i) => hostLocal.add(of(`c${i}`))));
  expect(new Set(made.flatMap(({ ips }) => ips.map(({ address }) => address))).size).toBe(200);
  await Promise.all(Array.from({ length: 100 }, (_, i) => hostLocal.del(of(`c${i}`))));
  expect(data.given()).toEqual({});
}, 60_000);
