import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../../../../src/cni/json.ts';
import { hostLocal } from '../../../../../src/cni/plugins/host-local/host-local.ts';
import { type AnyCall, callOf, type DataDir, dataDir, refusal } from './call.ts';

let data: DataDir;
beforeEach(() => {
  data = dataDir();
});
afterEach(() => data[Symbol.dispose]());

const SUBNET = { subnet: '10.1.0.0/24' };
const call = (ipam: JsonObject = SUBNET, more: Partial<AnyCall> = {}) =>
  callOf({ type: 'host-local', dataDir: data.path, ...ipam }, more);
const of = (containerId: string, more: Partial<AnyCall> = {}) => call(SUBNET, { containerId, ...more });
const byId = () => (existsSync(join(data.folder, '.by-id')) ? readdirSync(join(data.folder, '.by-id')) : []);

async function addresses(made: AnyCall): Promise<string[]> {
  return (await hostLocal.add(made)).ips.map(({ address }) => address);
}

/** What the reference plugin writes. */
function reserve(address: string, content: string): void {
  mkdirSync(data.folder, { recursive: true });
  writeFileSync(join(data.folder, address), content);
}

describe('ADD', () => {
  test('gives the first address after the gateway, and writes it down as the reference plugin does', async () => {
    const result = await hostLocal.add(call({ ...SUBNET, routes: [{ dst: '0.0.0.0/0' }] }));
    expect(result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [],
      ips: [{ address: '10.1.0.2/24', gateway: '10.1.0.1' }],
      routes: [{ dst: '0.0.0.0/0' }],
    });
    expect(data.names()).toEqual(['.by-id', '10.1.0.2', 'last_reserved_ip.0', 'lock']);
    expect(readFileSync(join(data.folder, '10.1.0.2'), 'utf8')).toBe('c1\r\neth0');
    expect(readFileSync(join(data.folder, 'last_reserved_ip.0'), 'utf8')).toBe('10.1.0.2');
    expect(readFileSync(join(data.folder, 'lock'), 'utf8')).toBe('');
  });

  test('gives one address of each set: of the runtime’s, of the old form, of the ranges', async () => {
    const ranges = [
      [{ subnet: 'fd00::/64' }],
      [{ subnet: '10.3.0.0/24', rangeStart: '10.3.0.9', gateway: '10.3.0.9' }],
    ];
    const runtimeConfig = { ipRanges: [[{ subnet: '10.2.0.0/24' }]] };
    const made = call({ ...SUBNET, ranges }, { runtimeConfig });
    expect(await addresses(made)).toEqual(['10.2.0.2/24', '10.1.0.2/24', 'fd00::2/64', '10.3.0.10/24']);
    expect(data.names().filter(name => name.startsWith('last'))).toHaveLength(4);
  });

  test('goes round, so that what was freed is given again last', async () => {
    const ipam = { subnet: '10.1.0.0/29' };
    const seen: string[] = [];
    for (let round = 0; round < 7; round++) {
      seen.push(...(await addresses(call(ipam))));
      await hostLocal.del(call(ipam));
    }
    expect(seen.map(text => text.split(/[./]/)[3])).toEqual(['2', '3', '4', '5', '6', '2', '3']);
  });

  test('takes the dns settings of a resolv.conf', async () => {
    const path = join(data.path, 'resolv.conf');
    writeFileSync(
      path,
      '# no\n;no\nnameserver 192.0.2.1\n  nameserver\tfd00::53 x\nsearch a b\nsearch c\ndomain d\noptions ndots:5\nsearch\n',
    );
    expect((await hostLocal.add(call({ ...SUBNET, resolvConf: path }))).dns).toEqual({
      nameservers: ['192.0.2.1', 'fd00::53'],
      domain: 'd',
      search: ['a', 'b', 'c'],
      options: ['ndots:5'],
    });
  });

  test('of an attachment that has an address is refused, also when another is asked for', async () => {
    await hostLocal.add(of('c1'));
    for (const again of [of('c1'), of('c1', { runtimeConfig: { ips: ['10.1.0.99'] } })]) {
      const error = await refusal(hostLocal.add(again));
      expect(error.msg).toContain('10.1.0.2 has been allocated to c1, duplicate allocation is not allowed');
    }
    expect(await addresses(of('c1', { ifName: 'eth1' }))).toEqual(['10.1.0.3/24']);
    expect(data.given()).toEqual({ '10.1.0.2': 'c1 eth0', '10.1.0.3': 'c1 eth1' });
  });

  test('of an exhausted set says so, names it and the network, and gives the other sets’ addresses back', async () => {
    const ipam = { ranges: [[SUBNET], [{ subnet: '10.2.0.0/30' }]] };
    await hostLocal.add(call(ipam));
    const error = await refusal(hostLocal.add(call(ipam, { containerId: 'c2' })));
    expect(error.msg).toBe('failed to allocate for range 1: no IP addresses available in range set: 10.2.0.1-10.2.0.2');
    expect(error.details).toContain('network net');
    expect(data.given()).toEqual({ '10.1.0.2': 'c1 eth0', '10.2.0.2': 'c1 eth0' });
    expect(byId()).toHaveLength(2);
  });

  test('whose folder can’t be made is an error of input and output in the kernel’s words', async () => {
    writeFileSync(join(data.path, 'file'), '');
    const error = await refusal(hostLocal.add(call({ ...SUBNET, dataDir: join(data.path, 'file') })));
    expect(error).toMatchObject({ code: 5, details: expect.stringContaining('Not a directory (ENOTDIR)') });
  });

  test('whose folder is a link to nowhere ends with an error', async () => {
    symlinkSync(join(data.path, 'nowhere'), data.folder);
    expect(await refusal(hostLocal.add(call()))).toMatchObject({ code: 5, msg: expect.stringContaining(data.folder) });
  });
});

describe('a requested address', () => {
  const asked: [string, Partial<AnyCall>][] = [
    ['CNI_ARGS', { args: [['IP', '10.1.0.50']] }],
    [
      'CNI_ARGS with a length',
      {
        args: [
          ['IgnoreUnknown', '1'],
          ['K8S_POD_NAME', 'x'],
          ['IP', '10.1.0.50/16'],
        ],
      },
    ],
    ['runtimeConfig', { runtimeConfig: { ips: ['10.1.0.50/24'] } }],
    ['runtimeConfig, in IPv6 form', { runtimeConfig: { ips: ['::ffff:10.1.0.50'] } }],
    ['runtimeConfig and CNI_ARGS, the same', { runtimeConfig: { ips: ['10.1.0.50'] }, args: [['IP', '10.1.0.50']] }],
  ];
  test.each(asked)('of %s is given', async (_, more) => {
    expect(await addresses(call(SUBNET, more))).toEqual(['10.1.0.50/24']);
    expect(await addresses(of('c2'))).toEqual(['10.1.0.51/24']);
  });

  test('of `args` is given', async () => {
    const made = call();
    const config = { ...made.config, args: { cni: { ips: ['10.1.0.50/24'] } } };
    expect(await addresses({ ...made, config })).toEqual(['10.1.0.50/24']);
  });

  test('goes to the set that it lies in; the others give their next', async () => {
    const ipam = { ranges: [[SUBNET], [{ subnet: 'fd00::/64' }]] };
    expect(await addresses(call(ipam, { runtimeConfig: { ips: ['fd00::0:99'] } }))).toEqual([
      '10.1.0.2/24',
      'fd00::99/64',
    ]);
  });

  test.each<[string[], number, string]>([
    [['10.1.0.1'], 7, "requested ip 10.1.0.1 is subnet's gateway"],
    [['10.1.0.77'], 999, 'requested IP address 10.1.0.77 is not available in range set 10.1.0.1-10.1.0.254'],
    [['10.9.0.1'], 7, 'failed to allocate all requested IPs: 10.9.0.1'],
    [['10.1.0.8', '10.1.0.9'], 7, 'failed to allocate all requested IPs: 10.1.0.9'],
    [['10.1.0.255'], 7, 'failed to allocate all requested IPs: 10.1.0.255'],
    [['first'], 7, 'runtimeConfig.ips: "first" is no IP address'],
    [['10.1.0.8/x'], 7, 'no valid prefix length'],
  ])('%j is refused', async (ips, code, msg) => {
    await hostLocal.add(of('holder', { runtimeConfig: { ips: ['10.1.0.77'] } }));
    expect(await refusal(hostLocal.add(call(SUBNET, { runtimeConfig: { ips } })))).toMatchObject({
      code,
      msg: expect.stringContaining(msg),
    });
    expect(data.given()).toEqual({ '10.1.0.77': 'holder eth0' });
  });

  test('of CNI_ARGS that is none is the environment’s fault', async () => {
    expect(await refusal(hostLocal.add(call(SUBNET, { args: [['IP', 'x']] })))).toMatchObject({ code: 4 });
  });
});

describe('a configuration', () => {
  test.each<[JsonObject, string]>([
    [{}, 'no IP ranges specified'],
    [{ ranges: [] }, 'no IP ranges specified'],
    [{ ranges: [[]] }, 'invalid range set 0: empty range set'],
    [{ ranges: [SUBNET] }, 'ipam.ranges.0'],
    [{ ranges: [[{}]] }, 'ipam.ranges.0.0.subnet: is missing'],
    [{ subnet: 5 }, 'ipam.subnet'],
    [{ ranges: [[SUBNET], [{ subnet: '10.1.0.0/16' }]] }, 'range set 0 overlaps with 1'],
    [{ ...SUBNET, ranges: [[SUBNET]] }, 'range set 0 overlaps with 1'],
    [{ ...SUBNET, routes: [{ dst: '0.0.0.0' }] }, 'ipam.routes.0.dst'],
    [{ ...SUBNET, dataDir: 'here' }, 'ipam.dataDir: must be an absolute path'],
    [{ ...SUBNET, dataDir: '/a\0b' }, 'ipam.dataDir: must be an absolute path'],
    [{ ...SUBNET, resolvConf: 'resolv.conf' }, 'ipam.resolvConf: must be an absolute path'],
    [{ ...SUBNET, resolvConf: '/nowhere' }, 'No such file or directory'],
    [{ ...SUBNET, resolvConf: '/dev/zero' }, 'is no regular file'],
  ])('%j is refused', async (ipam, msg) => {
    const error = await refusal(hostLocal.add(call(ipam)));
    expect(error).toMatchObject({ code: 7, msg: expect.stringContaining(msg) });
    expect(existsSync(data.folder)).toBe(false);
  });

  test('the name of a network leads nowhere else', async () => {
    for (const network of ['..', '../net', 'a/b', '']) {
      expect(await refusal(hostLocal.add(call(SUBNET, { network })))).toMatchObject({ code: 7 });
    }
  });

  test('whose ranges have become wrong is no hindrance to DEL and GC', async () => {
    await hostLocal.add(of('c1'));
    await hostLocal.add(of('c2'));
    await hostLocal.del(call({ subnet: 'rubbish' }));
    expect(data.given()).toEqual({ '10.1.0.3': 'c2 eth0' });
    await hostLocal.gc(call({}));
    expect(data.given()).toEqual({});
  });
});

describe('DEL', () => {
  test('frees all addresses of the attachment, and leaves the folder as the reference plugin does', async () => {
    const ipam = { ranges: [[SUBNET], [{ subnet: 'fd00::/64' }]] };
    await hostLocal.add(call(ipam));
    await hostLocal.add(call(ipam, { ifName: 'eth1' }));
    await hostLocal.del(call(ipam));
    expect(data.given()).toEqual({ '10.1.0.3': 'c1 eth1', 'fd00::3': 'c1 eth1' });
    await hostLocal.del(call(ipam, { ifName: 'eth1' }));
    await hostLocal.del(call(ipam, { ifName: 'eth1' }));
    expect(data.names()).toEqual(['last_reserved_ip.0', 'last_reserved_ip.1', 'lock']);
  });

  test('of what never was is fine, and makes nothing', async () => {
    await hostLocal.del(call());
    await hostLocal.gc(call());
    expect(existsSync(data.folder)).toBe(false);
    rmSync(data.path, { recursive: true });
    writeFileSync(data.path, '');
    await hostLocal.del(call());
  });

  test('frees what the reference plugin has reserved, of very old versions too', async () => {
    reserve('10.1.0.5', 'c1\r\neth0');
    reserve('10.1.0.6', 'c2\n');
    reserve('10.1.0.7', 'c3\r\neth0');
    await hostLocal.del(of('c1'));
    await hostLocal.del(of('c2'));
    expect(data.given()).toEqual({ '10.1.0.7': 'c3 eth0' });
  });
});

describe('CHECK', () => {
  const result = (address: string) => ({
    cniVersion: '1.1.0' as const,
    interfaces: [],
    ips: [{ address, gateway: undefined, interface: undefined }],
    routes: [],
  });

  test('passes while the attachment has its address', async () => {
    await hostLocal.add(call());
    await hostLocal.check(call());
    await hostLocal.check(call(SUBNET, { prevResult: result('10.1.0.2/24') }));
    await hostLocal.check(call(SUBNET, { prevResult: result('192.0.2.7/24') })); // of somebody else's
  });

  test('fails where it has none, or another', async () => {
    expect(await refusal(hostLocal.check(call()))).toMatchObject({
      code: 999,
      details: expect.stringContaining('none'),
    });
    await hostLocal.add(call());
    const moved = await refusal(hostLocal.check(call(SUBNET, { prevResult: result('10.1.0.9/24') })));
    expect(moved.details).toContain('it has 10.1.0.2, and not 10.1.0.9');
    await hostLocal.del(call());
    expect(await refusal(hostLocal.check(call()))).toMatchObject({ code: 999 });
  });
});

describe('GC', () => {
  test('frees what no valid attachment holds, and what was left half done', async () => {
    for (const id of ['c1', 'c2', 'c3']) await hostLocal.add(of(id));
    await hostLocal.add(of('c1', { ifName: 'eth1' }));
    reserve('10.1.0.70', '');
    reserve('10.1.0.71', 'c2');
    reserve('10.1.0.72', 'c9');
    writeFileSync(join(data.folder, '.new'), 'c8\r\neth0');
    await hostLocal.gc(
      call(SUBNET, {
        valid: [
          { containerId: 'c1', ifName: 'eth0' },
          { containerId: 'c2', ifName: 'eth0' },
        ],
      }),
    );
    expect(data.given()).toEqual({ '10.1.0.2': 'c1 eth0', '10.1.0.3': 'c2 eth0', '10.1.0.71': 'c2' });
    expect(byId()).toHaveLength(3);
    await hostLocal.gc(call());
    expect(data.names()).toEqual(['last_reserved_ip.0', 'lock']);
  });
});

describe('STATUS', () => {
  test('says whether an ADD could be served, and changes nothing', async () => {
    const ipam = { subnet: '10.1.0.0/30' };
    await hostLocal.status(call(ipam));
    expect(existsSync(data.folder)).toBe(false);
    await hostLocal.add(call(ipam));
    const error = await refusal(hostLocal.status(call(ipam)));
    expect(error).toMatchObject({ code: 50, msg: 'no IP addresses available in range set: 10.1.0.1-10.1.0.2' });
    expect(await refusal(hostLocal.status(call({ subnet: '10.1.0.0/31' })))).toMatchObject({ code: 7 });
    writeFileSync(join(data.path, 'file'), '');
    expect(await refusal(hostLocal.status(call({ ...ipam, dataDir: join(data.path, 'file') })))).toMatchObject({
      code: 50,
    });
  });
});

describe('what others have left', () => {
  test('an empty file is of one that was killed: its address is free', async () => {
    reserve('10.1.0.2', '');
    expect(await addresses(of('c1'))).toEqual(['10.1.0.2/24']);
  });

  test.each([
    ['before the file had an address', false],
    ['before a link led to it', true],
  ])('of an ADD of ours that was killed %s nothing is in the way', async (_, linked) => {
    await hostLocal.add(of('c0'));
    writeFileSync(join(data.folder, '.new'), 'c1\r\neth0');
    if (linked) linkSync(join(data.folder, '.new'), join(data.folder, '10.1.0.3'));
    if (linked) expect((await refusal(hostLocal.add(of('c1')))).msg).toContain('10.1.0.3 has been allocated to c1');
    expect(await addresses(of('c2'))).toEqual([linked ? '10.1.0.4/24' : '10.1.0.3/24']);
    await hostLocal.del(of('c1'));
    expect(data.given()).toMatchObject({ '10.1.0.2': 'c0 eth0' });
    expect(Object.values(data.given())).not.toContain('c1 eth0');
    expect(byId()).toHaveLength(2);
    expect(readFileSync(join(data.folder, '10.1.0.2'), 'utf8')).toBe('c0\r\neth0');
  });

  test('an address that was removed by hand and given by the reference plugin is that one’s', async () => {
    await hostLocal.add(of('c1'));
    rmSync(join(data.folder, '10.1.0.2'));
    reserve('10.1.0.2', 'c2\r\neth0');
    await hostLocal.del(of('c1'));
    expect(data.given()).toEqual({ '10.1.0.2': 'c2 eth0' });
    expect((await refusal(hostLocal.add(of('c2')))).msg).toContain('10.1.0.2 has been allocated to c2');
    expect(await addresses(of('c1'))).toEqual(['10.1.0.3/24']);
  });

  test('what others do after our own last change is seen', async () => {
    await hostLocal.add(of('c1'));
    expect(statSync(data.folder).mtimeMs).toBe(1e12);
    reserve('10.1.0.3', 'c2\r\neth0');
    expect((await refusal(hostLocal.add(of('c2')))).msg).toContain('10.1.0.3 has been allocated to c2');
    expect(await addresses(of('c3'))).toEqual(['10.1.0.4/24']);
    expect(statSync(data.folder).mtimeMs).toBe(1e12);
    rmSync(join(data.folder, '10.1.0.4'));
    await hostLocal.add(of('c3', { runtimeConfig: { ips: ['10.1.0.4'] } }));
    for (const id of ['c1', 'c2', 'c3']) await hostLocal.del(of(id));
    expect(data.names()).toEqual(['last_reserved_ip.0', 'lock']);
  });

  test('links of another layout, or that lead elsewhere, are made anew', async () => {
    for (const id of ['c1', 'c2']) await hostLocal.add(of(id));
    const [link = ''] = byId();
    rmSync(join(data.folder, '.by-id', link));
    linkSync(join(data.folder, '10.1.0.3'), join(data.folder, '.by-id', `${link.slice(0, 32)}.10.1.0.3`));
    symlinkSync('../lock', join(data.folder, '.by-id', link));
    await expect(hostLocal.add(of('c1'))).rejects.toThrow('10.1.0.2 has been allocated to c1');
    for (const name of byId()) rmSync(join(data.folder, '.by-id', name));
    for (const id of ['c1', 'c2']) await hostLocal.del(of(id));
    expect(data.names()).toEqual(['last_reserved_ip.0', 'lock']);
  });

  test('a range that is nearly full is gone through at once', async () => {
    for (let last = 2; last < 200; last++) reserve(`10.1.0.${last}`, `x${last}\r\neth0`);
    expect(await addresses(of('c1'))).toEqual(['10.1.0.200/24']);
    expect(await addresses(of('c2'))).toEqual(['10.1.0.201/24']);
  });

  test('a name that looks like an address and is none is in nobody’s way, and goes with its holder', async () => {
    reserve('10.1.0.999', 'c1\r\neth0');
    expect(await addresses(of('c1'))).toEqual(['10.1.0.2/24']);
    await hostLocal.del(of('c1'));
    expect(data.names()).toEqual(['last_reserved_ip.0', 'lock']);
  });

  test('what is no file is taken, and nobody’s', async () => {
    mkdirSync(join(data.folder, '10.1.0.2'), { recursive: true });
    expect(await addresses(of('c1'))).toEqual(['10.1.0.3/24']);
    await hostLocal.gc(call());
    expect(data.names()).toEqual(['10.1.0.2', 'last_reserved_ip.0', 'lock']);
  });

  test.each(['', 'rubbish', '192.0.2.1', '10.1.0.1\n'])('a last address that reads %j is none', async text => {
    mkdirSync(data.folder);
    writeFileSync(join(data.folder, 'last_reserved_ip.0'), text);
    expect(await addresses(of('c1'))).toEqual(['10.1.0.2/24']);
  });
});

test('each step is told as a command, and the commands do the same', async () => {
  const told: string[] = [];
  const trace: AnyCall['trace'] = (command, effect) => {
    told.push(command);
    return effect();
  };
  await hostLocal.add(of('c1', { trace }));
  using copy = dataDir();
  const script = (commands: string[]) =>
    ['set -eu', ...commands.map(command => command.replaceAll(data.path, copy.path))].join('\n');
  // The first lock is tried before there is a folder.
  const { exitCode, stderr } = Bun.spawnSync(['bash', '-c', script(told.slice(1))]);
  expect([exitCode, stderr.toString()]).toEqual([0, '']);
  expect(copy.names()).toEqual(data.names());
  expect(copy.given()).toEqual(data.given());
  expect(readdirSync(join(copy.folder, '.by-id'))).toEqual(byId());

  told.length = 0;
  await hostLocal.del(of('c1', { trace }));
  expect(Bun.spawnSync(['bash', '-c', script(told)]).exitCode).toBe(0);
  expect(copy.names()).toEqual(data.names());
  expect(copy.names()).toEqual(['last_reserved_ip.0', 'lock']);
});
