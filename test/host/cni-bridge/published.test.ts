/** Published ports lead to a cell from outside, from the host and from its own space, through any host's firewall; never from another space. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { cleanHost, defined, testBackend } from './backend.ts';
import { HOST_FIREWALLS, type HostFirewall } from './host-firewalls.ts';
import { cell, echo, makeOutside, OUTSIDE, reach, type TestCell, UPLINK } from './packets.ts';

const { backend } = testBackend();
const servers: Disposable[] = [];
let home: NetworkDefinition;
let other: NetworkDefinition;
let neighbour: TestCell;
let stranger: TestCell;
let server = '';

beforeAll(async () => {
  await makeOutside();
  home = await defined(backend, 'default');
  other = await defined(backend, 'other');
  neighbour = await cell(backend, home, 'neighbour');
  stranger = await cell(backend, other, 'stranger');
});
afterAll(async () => {
  for (const one of servers) one[Symbol.dispose]();
  await cleanHost();
});

/** A cell that has both protocols of port 7 published. */
async function published(): Promise<Disposable & { detach(): Promise<void> }> {
  const netns = '/run/netns/kuke-server';
  await backend.open({ path: netns }, context());
  const { name, configPath } = home;
  const attachmentId = `server-${servers.length}`;
  const ports = (['tcp', 'udp'] as const).map(protocol => ({ hostPort: 7, containerPort: 7, protocol }));
  const request = { name, configPath, netns, interface: 'eth0', attachmentId, ports };
  const { addresses } = await backend.attach(request, context());
  server = addresses[0]?.split('/')[0] ?? '';
  const answering = await echo('kuke-server');
  servers.push(answering);
  return {
    [Symbol.dispose]: () => answering[Symbol.dispose](),
    async detach() {
      await backend.detach(request, context());
      await backend.close({ path: netns }, context());
    },
  };
}

const ask = async (from: string | undefined, address: string, seconds: number) => {
  const { tcp, udp } = await reach(from, address, seconds);
  return [tcp, udp];
};
const nobody = [undefined, undefined];

describe.each(Object.entries<HostFirewall>(HOST_FIREWALLS))('on a host with %s', (_, { on, off }) => {
  test.each([1, 0])('and bridge-nf-call-iptables=%d', async bridged => {
    for (const version of ['ip', 'ip6']) {
      writeFileSync(`/proc/sys/net/bridge/bridge-nf-call-${version}tables`, `${bridged}`);
    }
    for (const [program = '', ...args] of on) await output(program, ...args);
    for (const network of [home, other]) await backend.define(network, context());
    using one = await published();
    const [outside, host, own, strange, strangeGateway] = await Promise.all([
      ask('outside', UPLINK, 5),
      ask(undefined, UPLINK, 5),
      ask(neighbour.name, UPLINK, 5),
      ask(stranger.name, UPLINK, 0.7),
      ask(stranger.name, other.gateway, 0.7),
    ]);
    expect({ outside, strange, strangeGateway }).toEqual({
      outside: [OUTSIDE, OUTSIDE],
      strange: nobody,
      strangeGateway: nobody,
    });
    for (const answers of [host, own]) expect(answers).toEqual([expect.any(String), expect.any(String)]);
    expect(await ask(stranger.name, server, 0.7)).toEqual(nobody);

    await one.detach();
    for (const [program = '', ...args] of off) await output(program, ...args);
    expect(await ask('outside', UPLINK, 0.5)).toEqual(nobody);
  });
});

test('without the rules they lead there from another space too', async () => {
  using one = await published();
  await output('nft', 'flush chain inet kukeon space_forward');
  expect(await ask(stranger.name, UPLINK, 5)).toEqual([expect.any(String), expect.any(String)]);
  await backend.define(home, context());
  expect(await ask(stranger.name, UPLINK, 0.7)).toEqual(nobody);
  await one.detach();
});
