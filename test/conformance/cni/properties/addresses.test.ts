/** host-local against a model: addresses lie in their range, none is given twice, what is released is free, and an end is an end. */
import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expectError, expectMatch, expectResult, onHost } from '../case.ts';
import type { Host } from '../host.ts';
import { type Attachment, add, check, del } from '../network.ts';
import { addressOf } from '../views.ts';
import { examples, LIMIT } from './times.ts';

/** A range in a subnet of 16 addresses: numbers of the subnet, and within it of the first, the last and the gateway. */
interface Range {
  subnet: number;
  start?: number;
  end?: number;
  gateway?: number;
}

const inSubnet = fc.integer({ min: 1, max: 14 });
const range = fc
  .record(
    { subnet: fc.integer({ min: 0, max: 7 }), start: inSubnet, end: inSubnet, gateway: inSubnet },
    { requiredKeys: ['subnet'] },
  )
  .map(({ start, end, ...rest }): Range => {
    const swapped = start !== undefined && end !== undefined && start > end;
    const [first, last] = swapped ? [end, start] : [start, end];
    return { ...rest, ...(first !== undefined && { start: first }), ...(last !== undefined && { end: last }) };
  });
const rangeSet = fc.uniqueArray(range, { minLength: 1, maxLength: 3, selector: ({ subnet }) => subnet });

const address = (subnet: number, last: number) => `10.77.${subnet}.${last}`;
const config = ({ subnet, start, end, gateway }: Range) => ({
  subnet: `10.77.${subnet}.0/28`,
  ...(start !== undefined && { rangeStart: address(subnet, start) }),
  ...(end !== undefined && { rangeEnd: address(subnet, end) }),
  ...(gateway !== undefined && { gateway: address(subnet, gateway) }),
});

/** All addresses that a set has to give. */
function addressesOf(ranges: Range[]): string[] {
  return ranges.flatMap(({ subnet, start = 1, end = 14, gateway = 1 }) =>
    Array.from({ length: end - start + 1 }, (_, index) => start + index)
      .filter(last => last !== gateway)
      .map(last => address(subnet, last)),
  );
}

type Step = { kind: 'add' | 'del' | 'check'; container: number } | { kind: 'request'; container: number; nth: number };
const container = fc.integer({ min: 0, max: 9 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), container }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('del' as const), container }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('check' as const), container }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('request' as const), container, nth: fc.nat(40) }) },
);

function attachment(host: Host, ranges: Range[], containerId: string, ips?: string[]): Attachment {
  const ipam = { type: 'host-local', dataDir: `${host.folder}/ipam`, ranges: [ranges.map(config)] };
  const plugin = { type: 'host-local', capabilities: { ips: true }, ipam };
  const network = { cniVersion: '1.0.0', name: 'net', plugins: [plugin] };
  return {
    host,
    network,
    containerId,
    netns: '/run/netns/any',
    ifName: 'eth0',
    ...(ips && { runtimeConfig: { ips } }),
  };
}

/** What is on disk, by address. */
function reservations(host: Host): Map<string, string> {
  const folder = `${host.folder}/ipam/net`;
  const names = readdirSync(folder).filter(name => name.startsWith('10.'));
  return new Map(names.sort().map(name => [name, readFileSync(`${folder}/${name}`, 'utf8')]));
}

async function follow(host: Host, ranges: Range[], steps: Step[]): Promise<void> {
  const all = addressesOf(ranges);
  const given = new Map<string, string>();
  const free = () => all.filter(one => ![...given.values()].includes(one));
  for (const { kind, container: number, ...rest } of steps) {
    const id = `c${number}`;
    const had = given.get(id);
    if (kind === 'del') {
      expectMatch(await del(attachment(host, ranges, id)), { status: 0, stdout: '' });
      given.delete(id);
    } else if (kind === 'check') {
      const answer = await check(attachment(host, ranges, id), { cniVersion: '1.0.0', ips: [] });
      expect(answer.status === 0).toBe(had !== undefined);
    } else if (kind === 'add') {
      const answer = await add(attachment(host, ranges, id));
      if (had !== undefined) expectError(answer, { code: 999, msg: new RegExp(had.replaceAll('.', '\\.')) });
      else if (free().length === 0) expectError(answer, { code: 999, msg: /no IP addresses available/ });
      else {
        const got = addressOf(expectResult(answer, '1.0.0'));
        expect(free()).toContain(got);
        given.set(id, got);
      }
    } else if (had === undefined && all.length > 0) {
      const wanted = all[(rest as { nth: number }).nth % all.length] ?? '';
      const open = free().includes(wanted);
      const answer = await add(attachment(host, ranges, id, [wanted]));
      if (!open) expectError(answer, { code: 999, msg: new RegExp(wanted.replaceAll('.', '\\.')) });
      else given.set(id, addressOf(expectResult(answer, '1.0.0')));
      if (open) expect(given.get(id)).toBe(wanted);
    }
  }
  const expected = [...given].map(([id, one]) => [one, `${id}\r\neth0`] as const);
  if (steps.length > 0) expect(reservations(host)).toEqual(new Map(expected.sort(([a], [b]) => (a < b ? -1 : 1))));
}

test(
  'every address is in its range, none is given twice, a released one is free',
  async () => {
    const property = fc.asyncProperty(rangeSet, fc.array(step, { minLength: 5, maxLength: 25 }), (ranges, steps) =>
      onHost(host => follow(host, ranges, steps)),
    );
    await fc.assert(property, examples(12));
  },
  LIMIT,
);

test(
  'a set of ranges gives exactly as many addresses as it has, then says so, and goes on after a release',
  async () => {
    const property = fc.asyncProperty(rangeSet, fc.nat(100), (ranges, which) =>
      onHost(async host => {
        const all = addressesOf(ranges);
        const given: string[] = [];
        for (let number = 0; number < all.length; number++) {
          given.push(addressOf(expectResult(await add(attachment(host, ranges, `c${number}`)), '1.0.0')));
        }
        expect(given.toSorted()).toEqual(all.toSorted());
        const late = attachment(host, ranges, 'late');
        expectError(await add(late), { code: 999, msg: /no IP addresses available/ });
        if (all.length === 0) return;
        const released = which % all.length;
        expectMatch(await del(attachment(host, ranges, `c${released}`)), { status: 0 });
        expect(addressOf(expectResult(await add(late), '1.0.0'))).toBe(given[released] ?? '');
      }),
    );
    await fc.assert(property, examples(4));
  },
  LIMIT,
);
