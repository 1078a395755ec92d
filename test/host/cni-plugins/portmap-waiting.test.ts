/** A container in several networks publishes the same ports in each: one of its attachments has them, in whatever order they leave. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import type { AttachmentCall } from '../../../src/cni/plugins/plugin.ts';
import { portmap } from '../../../src/cni/plugins/portmap/portmap.ts';
import type { Trace } from '../../../src/cni/plugins/trace.ts';
import { nftJson, nftList, run } from '../netlink/outside.ts';
import { callFor, resultOf, UPLINK } from './routed-host.ts';

beforeAll(() => void run('ip', 'link', 'add', 'br-a', 'type', 'bridge'));
afterAll(() => void run('ip', 'link', 'del', 'br-a'));
afterEach(() => {
  run('nft', 'flush', 'ruleset');
});

const portMappings = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 53, containerPort: 53, protocol: 'udp', hostIP: UPLINK.v4 },
  { hostPort: 53, containerPort: 53, protocol: 'udp', hostIP: UPLINK.v6 },
];

/** The call for network number `n`; the container has the addresses 10.88.0.2n and fd00:a::2n there. */
function callOf(n: number, more: Partial<AttachmentCall> = {}): AttachmentCall {
  const base = resultOf('a1');
  const ips = base.ips.map(ip => ({ ...ip, address: ip.address.replace('11/', `2${n}/`) }));
  const interfaces = [...base.interfaces.slice(0, 2), { name: `eth${n}`, sandbox: '/run/netns/pod' }];
  return {
    ...callFor('a1', {}, { portMappings }),
    network: `net${n}`,
    containerId: 'pod',
    ifName: `eth${n}`,
    prevResult: { ...base, interfaces, ips },
    ...more,
  };
}

/** To which addresses the ports lead, by set. */
function published(): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const { map } of nftJson('ruleset')) {
    const { name, elem = [] } = (map ?? {}) as { name?: string; elem?: [unknown, { concat: [string, number] }][] };
    if (name !== undefined) found[name] = elem.map(([, { concat }]) => concat[0]);
  }
  return found;
}

const leadsTo = (n: number) => ({
  ports: [`10.88.0.2${n}`],
  ports_on: [`10.88.0.2${n}`],
  ports6: [`fd00:a::2${n}`],
  ports_on6: [`fd00:a::2${n}`],
});
/** The elements of these sets; '' where there is no such set. */
const elementsOf = (name: string) => /elements = \{[^}]*\}/.exec(nftList(`set inet kukeon ${name}`))?.[0] ?? '';

const orders = ['012', '021', '102', '120', '201', '210'];
test.each(orders)('they leave in the order %s', async order => {
  for (const n of [0, 1, 2]) await portmap.add(callOf(n));
  const left = new Set([0, 1, 2]);
  for (const n of Array.from(order, Number)) {
    const [holder = -1] = left;
    expect(published()).toEqual(leadsTo(holder));
    expect(elementsOf('ports_somewhere')).toContain('udp . 53');
    for (const one of left) await portmap.check(callOf(one));
    await portmap.del(callOf(n));
    left.delete(n);
  }
  expect(nftList('ruleset')).toBe('');
});

test('ADD again, in any state, leaves each with what it has; GC hands over as DEL does', async () => {
  for (const n of [0, 1]) await portmap.add(callOf(n));
  const before = nftList('ruleset');
  for (const n of [1, 0]) await portmap.add(callOf(n));
  expect(nftList('ruleset')).toBe(before);
  await portmap.gc({ ...callOf(0), valid: [] });
  expect(published()).toEqual(leadsTo(1));
  expect(nftList('ruleset')).not.toContain('net0');
  expect(elementsOf('ports_waiting')).toBe('');
  await portmap.add(callOf(0));
  await portmap.del(callOf(1));
  expect(published()).toEqual(leadsTo(0));
  await portmap.del(callOf(0));
  expect(nftList('ruleset')).toBe('');
});

test('without snat nothing else is there of who waits, and it gets the port all the same', async () => {
  const config = { ...callOf(0).config, snat: false };
  for (const n of [0, 1]) await portmap.add(callOf(n, { config }));
  await portmap.del(callOf(0, { config }));
  expect(published()).toEqual(leadsTo(1));
  await portmap.del(callOf(1, { config }));
  expect(nftList('ruleset')).toBe('');
});

test('CHECK of who waits says that nobody would hand the port over', async () => {
  for (const n of [0, 1]) await portmap.add(callOf(n));
  run('nft', 'flush', 'set', 'inet', 'kukeon', 'ports_waiting');
  expect(await portmap.check(callOf(1)).catch((error: unknown) => error)).toMatchObject({ code: 999 });
  await portmap.add(callOf(1));
  await portmap.check(callOf(1));
});

test('another container is refused, also while a port is handed over, and leaves no mark', async () => {
  for (const n of [0, 1]) await portmap.add(callOf(n));
  const before = nftList('ruleset');
  expect(await portmap.add(callOf(2, { containerId: 'other' })).catch((error: unknown) => error)).toMatchObject({
    code: 100,
  });
  expect(nftList('ruleset')).toBe(before);
});

test('it is told as a person would type it', async () => {
  const commands: string[] = [];
  const trace: Trace = (command, effect) => {
    const done = effect();
    commands.push(command);
    return done;
  };
  for (const n of [0, 1]) await portmap.add(callOf(n, { trace }));
  await portmap.del(callOf(0, { trace }));
  const made = nftList('ruleset');
  run('nft', 'flush', 'ruleset');
  for (const command of commands.filter(one => one.startsWith('nft'))) run('bash', '-c', command);
  expect(nftList('ruleset')).toBe(made);
});
