/** bridge: many at once on a network that nobody has used before. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import type { JsonObject } from '../../../src/cni/json.ts';
import type { Result } from '../../../src/cni/result.ts';
import { ipJson } from '../netlink/outside.ts';
import {
  add,
  addContainer,
  addresses,
  answers,
  check,
  clear,
  del,
  link,
  network,
  type Shown,
  traces,
  V6,
} from './bridged.ts';

beforeEach(clear);
afterEach(clear);

const RANGE = '10.77.0.0/16';
const containers = (count: number, prefix = 'c') => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const addressesOf = (results: readonly Result[]) => results.flatMap(({ ips }) => ips.map(({ address }) => address));

test('50 in one process, and gone at once', async () => {
  const ids = containers(50);
  ids.forEach(addContainer);
  const config = network({ isDefaultGateway: true, ipMasq: true, macspoofchk: true }, [RANGE, V6]);
  const results = await Promise.all(ids.map(id => add(config, { id })));
  expect(new Set(addressesOf(results)).size).toBe(100);
  expect(addresses('br0')).toEqual(['10.77.0.1/16', 'fd77::1/64']);
  for (const [index, id] of ids.entries()) await check(config, { id }, results[index] as Result);
  expect(await answers('c0', results[49]?.ips[0]?.address.replace(/\/.*/, '') ?? '')).toBe(true);
  await Promise.all(ids.map(id => del(config, { id })));
  expect(traces()).toEqual({ links: ['lo', 'br0'], rules: '', reservations: [] });
}, 120_000);

/** Starts a process for each list of containers, and lets all of them go at one moment. */
async function atOnce(jobs: readonly (readonly [config: JsonObject, ids: readonly string[]])[]): Promise<JsonObject[]> {
  const programs = jobs.map(([config, ids]) =>
    Bun.spawn([process.execPath, join(import.meta.dir, 'adding.ts'), JSON.stringify(config), ...ids], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    }),
  );
  for (const { stdin } of programs) {
    stdin.write('go\n');
    await stdin.end();
  }
  const outputs = await Promise.all(programs.map(({ stdout }) => stdout.text()));
  return outputs.flatMap(text =>
    text
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as JsonObject),
  );
}

test('in several processes, while ADDs of others fail and take back what they have made', async () => {
  const good = network({ isGateway: true, ipMasq: true }, [RANGE]);
  const unreachable = [{ dst: '10.1.0.0/16', gw: '192.0.2.1' }];
  const bad = network({
    name: 'bad',
    ipam: { type: 'static', addresses: [{ address: '10.66.0.9/24' }], routes: unreachable },
  });
  const ids = [0, 1, 2].map(job => containers(8, `good${job}-`));
  const failing = [0, 1, 2].map(job => containers(30, `bad${job}-`));
  [...ids.flat(), ...failing.flat()].forEach(addContainer);
  const answered = await atOnce([
    ...failing.map(list => [bad, list] as const),
    ...ids.map(list => [good, list] as const),
  ]);

  const failures = answered.filter(one => 'code' in one);
  expect(failures).toHaveLength(90);
  expect(failures.every(({ msg }) => String(msg).includes('Network is unreachable'))).toBe(true);
  const results = answered.filter(one => !('code' in one)) as unknown as Result[];
  expect(new Set(addressesOf(results)).size).toBe(24);
  const ports = ipJson<Shown>('link', 'show', 'type', 'veth').filter(({ master }) => master === 'br0');
  expect(ports.map(({ ifname }) => ifname).toSorted()).toEqual(
    results.map(one => one.interfaces[1]?.name ?? '').toSorted(),
  );
  expect(ipJson<Shown>('link', 'show', 'type', 'veth')).toHaveLength(24);
  expect(link('br0')).toMatchObject({
    group: 'default',
    operstate: 'UP',
    address: results[0]?.interfaces[0]?.mac ?? '',
  });
  expect(await answers('good0-0', '10.77.0.1')).toBe(true);
}, 120_000);
