/** CHECK after somebody has damaged what ADD made: each damage is found, and DEL still leaves nothing. */
import { describe, test } from 'bun:test';
import { unlinkSync } from 'node:fs';
import { output } from '../../host/observe/command.ts';
import {
  attachmentOf,
  type Case,
  expectError,
  expectMatch,
  expectNothingAfterDel,
  expectResult,
  type Made,
  onHost,
} from './case.ts';
import { bridge, DEFAULT_ROUTE } from './configs.ts';
import type { Difference } from './differences.ts';
import type { Host } from './host.ts';
import { has } from './implementation.ts';
import { add, check, del } from './network.ts';
import { interfaceOf } from './views.ts';

interface Damage {
  name: string;
  damage: (made: Made) => Promise<unknown> | void;
  plugins?: (host: Host) => ReturnType<Case['plugins']>;
  ifName?: string;
  /** Of those that do not find it. */
  unnoticed?: Difference;
  /** Of those whose DEL fails then. */
  inTheWay?: Difference;
  /** Not of the attachment's. */
  stays?: RegExp[];
  /** Of those whose DEL leaves something then. */
  leaves?: Partial<Record<Difference, RegExp[]>>;
}

const usual = (host: Host) => [bridge(host, { isGateway: true, ipMasq: true }, DEFAULT_ROUTE)];
const firewalled = (host: Host) => [bridge(host), { type: 'firewall' }];
const inside = ({ container }: Made, ...command: string[]) => output('ip', '-n', container.name, ...command);
const onHostSide = (made: Made, ...command: string[]) =>
  made.host.ip('link', 'set', interfaceOf(made.result, 1).name, ...command);

const damages: Damage[] = [
  {
    name: 'the address is gone',
    damage: made => inside(made, 'addr', 'del', '10.77.0.2/24', 'dev', 'eth0'),
    leaves: { 'NAT rules by address': [/CNI-[0-9a-f]{24}|10\.77\.0\.2/] },
  },
  {
    name: 'the interface is gone',
    damage: made => inside(made, 'link', 'del', 'eth0'),
    leaves: { 'NAT rules by address': [/CNI-[0-9a-f]{24}|10\.77\.0\.2/] },
  },
  {
    name: 'the interface has another name',
    async damage(made) {
      await inside(made, 'link', 'set', 'eth0', 'down');
      await inside(made, 'link', 'set', 'eth0', 'name', 'eth9');
    },
    leaves: { 'DEL by the inner name': [/eth9|^link veth|CNI-[0-9a-f]{24}|10\.77\.0\.2/] },
  },
  {
    name: 'the interface has another MAC',
    damage: made => inside(made, 'link', 'set', 'eth0', 'address', '0e:00:00:00:00:99'),
  },
  {
    name: 'the interface is down',
    damage: made => inside(made, 'link', 'set', 'eth0', 'down'),
  },
  {
    name: 'the interface has another MTU',
    plugins: host => [bridge(host, { mtu: 1400 })],
    damage: made => inside(made, 'link', 'set', 'eth0', 'mtu', '1300'),
    unnoticed: 'CHECK without the MTU',
  },
  { name: 'the route is gone', damage: made => inside(made, 'route', 'del', 'default') },
  { name: 'the host’s end is off the bridge', damage: made => onHostSide(made, 'nomaster') },
  {
    name: 'the host’s end is on another bridge',
    async damage(made) {
      await made.host.ip('link', 'add', 'br9', 'up', 'type', 'bridge');
      await onHostSide(made, 'master', 'br9');
    },
  },
  { name: 'the host’s end is down', damage: made => onHostSide(made, 'down'), unnoticed: 'CHECK of links by name' },
  { name: 'the bridge is gone', damage: ({ host }) => host.ip('link', 'del', 'br0') },
  {
    name: 'the bridge has lost its address',
    damage: ({ host }) => host.ip('addr', 'del', '10.77.0.1/24', 'dev', 'br0'),
    unnoticed: 'CHECK without the gateway',
  },
  { name: 'the reservation is gone', damage: ({ host }) => unlinkSync(`${host.folder}/ipam/net/10.77.0.2`) },
  {
    name: 'the reservation is another’s',
    damage: ({ host }) => Bun.write(`${host.folder}/ipam/net/10.77.0.2`, 'somebody\r\neth0').then(() => {}),
    stays: [/^file .*10\.77\.0\.2$/, /^file .*\/\.by-id\/\w+\.0$/],
  },
  {
    name: 'all rules are flushed',
    damage: ({ host }) => host.run('nft', 'flush', 'ruleset'),
    unnoticed: 'CHECK without ipMasq',
    inTheWay: 'DEL of flushed rules fails',
  },
  {
    name: 'all rules are flushed, firewall',
    plugins: firewalled,
    damage: ({ host }) => host.run('nft', 'flush', 'ruleset'),
  },
  {
    name: 'lo is down',
    plugins: () => [{ type: 'loopback' }],
    ifName: 'lo',
    damage: made => inside(made, 'link', 'set', 'lo', 'down'),
  },
];

describe('CHECK', () => {
  for (const { name, damage, plugins = usual, ifName, unnoticed, inTheWay, stays = [], leaves = {} } of damages) {
    test(name, () =>
      onHost(async host => {
        const container = await host.container();
        const attachment = attachmentOf({ name, plugins, ...(ifName !== undefined && { ifName }) }, host, container);
        const before = await host.snapshot();
        const result = expectResult(await add(attachment), '1.0.0');
        const made = { host, container, attachment, result };
        expectMatch(await check(attachment, result), { status: 0, stdout: '' });
        await damage(made);
        const answer = await check(attachment, result);
        if (unnoticed !== undefined && has(unnoticed)) expectMatch(answer, { status: 0, stdout: '' });
        else expectError(answer, 999);
        const known = Object.entries(leaves).flatMap(([difference, left]) =>
          has(difference as Difference) ? left : [],
        );
        if (inTheWay !== undefined && has(inTheWay)) expectError(await del(attachment, result), 999);
        await expectNothingAfterDel(made, before, [...known, ...stays]);
      }),
    );
  }

  test('without the result of ADD there is nothing to compare with', () =>
    onHost(async host => {
      const container = await host.container();
      const attachment = attachmentOf({ name: '', plugins: usual }, host, container);
      expectResult(await add(attachment), '1.0.0');
      expectError(await check(attachment, undefined), has('internal errors') ? 999 : 7);
    }));
});
