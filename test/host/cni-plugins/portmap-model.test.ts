/** Published ports against a model: any order of calls, many processes at once, processes that are killed. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import fc from 'fast-check';
import type { AttachmentCall } from '../../../src/cni/plugins/plugin.ts';
import { PluginError } from '../../../src/cni/plugins/plugin-error.ts';
import { portmap } from '../../../src/cni/plugins/portmap/portmap.ts';
import { nft, nftJson, nftList, run } from '../netlink/outside.ts';
import { callFor, resultOf, UPLINK } from './routed-host.ts';

beforeAll(() => {
  for (const bridge of ['br-a', 'br-b']) run('ip', 'link', 'add', bridge, 'type', 'bridge');
});
afterAll(() => {
  for (const bridge of ['br-a', 'br-b']) run('ip', 'link', 'del', bridge);
});
afterEach(() => run('nft', 'flush', 'ruleset'));

interface Mapping {
  hostPort: number;
  protocol: string;
  hostIP?: string;
}

/** The call for attachment number `i`, on one of two networks. */
function callOf(i: number, mappings: readonly Mapping[] = []): AttachmentCall {
  const call = callFor(i % 2 === 0 ? 'a1' : 'b1');
  const base = resultOf(i % 2 === 0 ? 'a1' : 'b1');
  const ips = base.ips.map(ip => ({ ...ip, address: ip.address.replace(/11\//, `${20 + i}/`) }));
  return {
    ...call,
    containerId: `c${i}`,
    runtimeConfig: { portMappings: mappings.map(mapping => ({ ...mapping, containerPort: 7000 + mapping.hostPort })) },
    prevResult: { ...base, ips },
  };
}

const mapping = fc.record(
  {
    hostPort: fc.integer({ min: 1, max: 3 }),
    protocol: fc.constantFrom('tcp', 'udp'),
    hostIP: fc.constantFrom(UPLINK.v4, UPLINK.v6, '0.0.0.0'),
  },
  { requiredKeys: ['hostPort', 'protocol'] },
);
const i = fc.nat({ max: 5 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      verb: fc.constant('add' as const),
      i,
      mappings: fc.array(mapping, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ verb: fc.constant('del' as const), i }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant('gc' as const), kept: fc.uniqueArray(i) }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constantFrom('flush' as const, 'damage' as const) }) },
);

/** `v4 * tcp 1`: what a mapping takes. */
function claimsOf({ hostPort, protocol, hostIP }: Mapping): string[] {
  const of = (family: string, address: string) => `${family} ${address} ${protocol} ${hostPort}`;
  if (hostIP === undefined) return [of('v4', '*'), of('v6', '*')];
  if (hostIP === '0.0.0.0') return [of('v4', '*')];
  return [of(hostIP.includes(':') ? 'v6' : 'v4', hostIP)];
}

function clash(one: string, other: string): boolean {
  const [family, address, ...port] = one.split(' ');
  const [family2, address2, ...port2] = other.split(' ');
  return (
    family === family2 && port.join() === port2.join() && (address === address2 || address === '*' || address2 === '*')
  );
}

/** Every claim in the kernel with its owner, and whatever else carries a label. */
function inKernel(): { claims: Record<string, string>; owners: string[] } {
  const claims: Record<string, string> = {};
  const owners = new Set<string>();
  for (const { map, set } of nftJson('ruleset')) {
    const { name, elem } = (map ?? set ?? {}) as { name?: string; elem?: unknown[] };
    for (const element of elem ?? []) {
      const text = JSON.stringify(element);
      const [, owner] = /"comment": ?"[^" ]+ (c\d)\/eth0"/.exec(text) ?? [];
      if (owner) owners.add(owner);
      if (!owner || !name?.startsWith('ports')) continue;
      const [key] = map ? (element as [{ elem: { val: { concat: (string | number)[] } } }]) : [];
      const concat = key?.elem.val.concat ?? [];
      const [port, protocol, address = '*'] = concat.toReversed();
      claims[`${name.endsWith('6') ? 'v6' : 'v4'} ${address} ${protocol} ${port}`] = owner;
    }
  }
  return { claims, owners: [...owners].sort() };
}

const localnet = (bridge: string) => run('sysctl', '-n', `net.ipv4.conf.${bridge}.route_localnet`).trim() !== '0';

/** Who has which claim. */
class Model {
  claims = new Map<string, number>();

  async take(i: number, mappings: readonly Mapping[]): Promise<void> {
    const claims = mappings.flatMap(claimsOf);
    const isFree = claims.every(claim =>
      [...this.claims].every(([other, owner]) => owner === i || !clash(claim, other)),
    );
    const refused = await portmap.add(callOf(i, mappings)).then(
      () => false,
      (error: unknown) => error instanceof PluginError && error.code === 100,
    );
    expect(refused).toBe(!isFree);
    if (isFree) for (const claim of claims) this.claims.set(claim, i);
    else this.release(owner => owner === i);
  }

  release(gone: (owner: number) => boolean): void {
    this.claims = new Map([...this.claims].filter(([, owner]) => !gone(owner)));
  }

  expectInKernel(): void {
    const found = inKernel();
    expect(found.claims).toEqual(Object.fromEntries([...this.claims].map(([claim, owner]) => [claim, `c${owner}`])));
    expect(found.owners).toEqual([...new Set(Object.values(found.claims))].sort());
    const publishing = [...this.claims].filter(([claim]) => claim.startsWith('v4')).map(([, owner]) => owner % 2);
    expect([localnet('br-a'), localnet('br-b')]).toEqual([publishing.includes(0), publishing.includes(1)]);
  }
}

test('after any ADDs, DELs, GCs, flushes and damage the kernel holds what a model holds, and nothing is left after the last', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async steps => {
      const model = new Model();
      for (const one of steps) {
        if (one.verb === 'add') await model.take(one.i, one.mappings);
        else if (one.verb === 'del') {
          await portmap.del({ ...callOf(one.i), prevResult: undefined, netns: '' });
          model.release(owner => owner === one.i);
        } else if (one.verb === 'gc') {
          const valid = one.kept.map(kept => ({ containerId: `c${kept}`, ifName: 'eth0' }));
          await portmap.gc({ ...callOf(0), valid });
          model.release(owner => owner % 2 === 0 && !one.kept.includes(owner));
        } else if (one.verb === 'flush') {
          nft('flush ruleset');
          model.release(() => true);
          for (let left = 0; left < 6; left++) await portmap.del(callOf(left, [{ hostPort: 1, protocol: 'tcp' }]));
        } else if (nftList('ruleset').includes('chain published ')) {
          nft('flush chain inet kukeon published');
        }
        model.expectInKernel();
      }
      for (let left = 0; left < 6; left++) await portmap.del(callOf(left));
      model.release(() => true);
      model.expectInKernel();
      expect(nftList('ruleset')).toBe('');
    }),
    { numRuns: 25 },
  );
});

const start = (verb: 'add' | 'del', call: AttachmentCall) =>
  Bun.spawn([process.execPath, join(import.meta.dir, 'portmap-process.ts'), verb], {
    stdin: Buffer.from(JSON.stringify(call)),
    stdout: 'pipe',
    stderr: 'pipe',
  });

async function outcome(process: ReturnType<typeof start>): Promise<string> {
  const [out, errors] = await Promise.all([process.stdout.text(), process.stderr.text()]);
  await process.exited;
  return out + errors;
}

test('of many processes at once each gets its port, and of those that want the same one the first', async () => {
  const own = (n: number) => ({ hostPort: 100 + n, protocol: 'tcp' });
  const same = { hostPort: 80, protocol: 'tcp' };
  const calls = Array.from({ length: 20 }, (_, n) => callOf(n, n < 12 ? [own(n)] : [same]));
  const said = await Promise.all(calls.map(call => outcome(start('add', call))));
  expect(said.slice(0, 12)).toEqual(new Array(12).fill(''));
  expect(said.slice(12).filter(text => text === '')).toHaveLength(1);
  for (const text of said.slice(12).filter(text => text !== ''))
    expect(text).toMatch(/^port 80\/tcp of the host is published by c\d+\/eth0 of network net-br-[ab]\n$/);
  const gone = await Promise.all(calls.map(call => outcome(start('del', call))));
  expect(gone.join('')).toBe('');
  expect(nftList('ruleset')).toBe('');
});

test('whatever a killed ADD or DEL leaves goes with DEL', async () => {
  const call = callOf(0, [
    { hostPort: 80, protocol: 'tcp' },
    { hostPort: 53, protocol: 'udp', hostIP: UPLINK.v4 },
  ]);
  let cut = 0;
  for (let round = 0; round < 24; round++) {
    const process = start(round % 3 === 2 ? 'del' : 'add', call);
    await Bun.sleep(20 + round * 3);
    process.kill('SIGKILL');
    await process.exited;
    if (process.signalCode !== null) cut++;
    if (round % 3 !== 2) {
      await portmap.add(call);
      await portmap.check(call);
      if (round % 3 === 1) continue;
    }
    await portmap.del(call);
    expect(nftList('ruleset')).toBe('');
    expect(localnet('br-a')).toBe(false);
  }
  expect(cut).toBeGreaterThan(0);
});
