/** Fifty at once on one network: each has an address of its own, and all go as they came. */
import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { addresses } from '../../host/observe/network.ts';
import { attachmentOf, expectError, expectMatch, expectResult, left, onHost } from './case.ts';
import { bridge } from './configs.ts';
import { add, check, del } from './network.ts';
import { addressOf } from './views.ts';

const COUNT = 50;

test('fifty ADDs at once, fifty CHECKs, fifty DELs', () =>
  onHost(async host => {
    const containers = await Promise.all(Array.from({ length: COUNT }, () => host.container()));
    const before = await host.snapshot();
    const plugins = () => [bridge(host, { isDefaultGateway: true, ipMasq: true })];
    const attachments = containers.map(container => attachmentOf({ name: '', plugins }, host, container));
    const results = (await Promise.all(attachments.map(made => add(made)))).map(answer =>
      expectResult(answer, '1.0.0'),
    );

    const given = results.map(result => addressOf(result));
    expect(new Set(given).size).toBe(COUNT);
    const inside = await Promise.all(containers.map(({ name }) => addresses(name)));
    expect(inside.map(all => all.find(one => one.ifname === 'eth0' && one.family === 'inet')?.local)).toEqual(given);
    expect(
      readdirSync(`${host.folder}/ipam/net`)
        .filter(name => name.startsWith('10.'))
        .sort(),
    ).toEqual(given.toSorted());

    for (const answer of await Promise.all(attachments.map((made, index) => check(made, results[index])))) {
      expectMatch(answer, { status: 0, stdout: '' });
    }
    for (const answer of await Promise.all(attachments.map((made, index) => del(made, results[index])))) {
      expectMatch(answer, { status: 0, stdout: '' });
    }
    expect(left(before, await host.snapshot())).toEqual([]);
  }));

test('more at once than there are addresses: as many succeed as there are, and the others are told', () =>
  onHost(async host => {
    const containers = await Promise.all(Array.from({ length: 12 }, () => host.container()));
    const ipam = { type: 'host-local', dataDir: `${host.folder}/ipam`, ranges: [[{ subnet: '10.77.0.0/29' }]] };
    const plugins = () => [{ type: 'host-local', ipam }];
    const attachments = containers.map(container => attachmentOf({ name: '', plugins }, host, container));
    const answers = await Promise.all(attachments.map(made => add(made)));
    const given = answers.filter(({ status }) => status === 0).map(({ json }) => addressOf(json ?? {}));
    expect(given.sort()).toEqual([2, 3, 4, 5, 6].map(last => `10.77.0.${last}`));
    for (const answer of answers.filter(({ status }) => status !== 0)) {
      expectError(answer, { code: 999, msg: /no IP addresses available/ });
    }
  }));

test('ADD and DEL of others meanwhile do not disturb', () =>
  onHost(async host => {
    const containers = await Promise.all(Array.from({ length: 16 }, () => host.container()));
    const plugins = () => [bridge(host, { isGateway: true })];
    const attachments = containers.map(container => attachmentOf({ name: '', plugins }, host, container));
    const before = await host.snapshot();
    const half = attachments.slice(0, 8);
    const first = await Promise.all(half.map(async made => expectResult(await add(made), '1.0.0')));
    const [dels, second] = await Promise.all([
      Promise.all(half.map((made, index) => del(made, first[index]))),
      Promise.all(attachments.slice(8).map(made => add(made))),
    ]);
    expect(dels.map(({ status }) => status)).toEqual(half.map(() => 0));
    const results = second.map(answer => expectResult(answer, '1.0.0'));
    expect(new Set(results.map(result => addressOf(result))).size).toBe(8);
    await Promise.all(attachments.slice(8).map((made, index) => del(made, results[index])));
    expect(left(before, await host.snapshot())).toEqual([]);
  }));
