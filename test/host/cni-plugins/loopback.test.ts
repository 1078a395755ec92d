import { afterEach, beforeEach, expect, test } from 'bun:test';
import { perform } from '../../../src/cni/plugins/perform.ts';
import { ip, run } from '../netlink/outside.ts';
import { addContainer, addresses, call, clear, link, netnsOf, refusal } from './bridged.ts';

beforeEach(() => {
  clear();
  addContainer('a');
});
afterEach(clear);

const config = { cniVersion: '1.0.0', name: 'lo', type: 'loopback' };
const loopback = { id: 'a', ifName: 'eth7', plugin: 'loopback' };

test('lo goes up with ADD, whatever the name, and down with DEL', async () => {
  expect(link('lo', 'a')?.flags).not.toContain('UP');
  expect(await call('ADD', config, loopback)).toEqual({
    cniVersion: '1.0.0',
    interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: netnsOf('a') }],
    ips: [
      { address: '127.0.0.1/8', interface: 0 },
      { address: '::1/128', interface: 0 },
    ],
  });
  expect(link('lo', 'a')?.flags).toContain('UP');
  expect(link('eth7', 'a')).toBeUndefined();
  await call('CHECK', config, loopback);
  await call('DEL', config, loopback);
  expect(link('lo', 'a')?.flags).not.toContain('UP');
  expect((await refusal(call('CHECK', config, loopback))).msg).toBe(`lo in ${netnsOf('a')} is down`);
  await call('DEL', config, loopback);
});

test('says what the reference plugin says', async () => {
  const { stdout } = Bun.spawnSync(['/usr/lib/cni/loopback'], {
    stdin: Buffer.from(JSON.stringify(config)),
    env: { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'a', CNI_NETNS: netnsOf('a'), CNI_IFNAME: 'lo', CNI_PATH: '/' },
  });
  const ours = await call('ADD', config, loopback);
  expect(JSON.parse(stdout.toString())).toEqual({ dns: {}, ...ours });
});

test('after other plugins gives on what they said', async () => {
  const prevResult = {
    cniVersion: '1.0.0',
    interfaces: [{ name: 'eth0', sandbox: netnsOf('a') }],
    dns: { domain: 'x' },
  };
  expect(await call('ADD', { ...config, prevResult }, loopback)).toEqual(prevResult);
  expect(link('lo', 'a')?.flags).toContain('UP');
});

test('an address on lo that is not its own is refused, and lo left as it was', async () => {
  run('ip', '-n', 'a', 'addr', 'add', '10.0.0.1/32', 'dev', 'lo');
  expect((await refusal(call('ADD', config, loopback))).msg).toContain('10.0.0.1/32');
  expect(link('lo', 'a')?.flags).not.toContain('UP');
  expect(addresses('lo', 'a')).toEqual(['10.0.0.1/32']);
});

test('DEL without the namespace is done, GC and STATUS have nothing to do', async () => {
  const own = ip('address', 'show', 'dev', 'lo');
  for (const netns of ['', '/run/netns/gone', '/etc/passwd']) await call('DEL', config, { ...loopback, netns });
  for (const command of ['GC', 'STATUS'] as const) {
    const more = { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] };
    await perform({ plugin: 'loopback', command, path: ['/usr/lib/cni'], config: { ...config, ...more } });
  }
  await refusal(call('ADD', config, { ...loopback, netns: '/proc/self/ns/net' }));
  expect(ip('address', 'show', 'dev', 'lo')).toBe(own);
});
