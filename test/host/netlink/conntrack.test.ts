/** Flows of the box's own loopback, tracked because a rule asks for it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { deleteFlow, listFlows } from '../../../src/host/netlink/conntrack.ts';
import { AF_INET, AF_INET6 } from '../../../src/host/netlink/inet.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { nft, run } from './outside.ts';

const UDP = 17;
let socket: NetlinkSocket;
beforeAll(() => {
  nft('table inet tracked { chain output { type filter hook output priority 0; ct state new counter; }; }');
  socket = new NetlinkSocket('netfilter');
});
afterAll(() => {
  socket.close();
  run('nft', 'flush', 'ruleset');
});

const send = (address: string, port: number) => run('bash', '-c', `echo x > /dev/udp/${address}/${port}`);
const list = (family: typeof AF_INET | typeof AF_INET6, destinationPort: number) =>
  listFlows(socket, { family, protocol: UDP, destinationPort });
const tracked = () => run('cat', '/proc/net/nf_conntrack');

test('are listed by family, protocol and port, and deleted one by one', () => {
  for (const port of [1053, 1054]) for (const address of ['127.0.0.1', '127.0.0.2', '::1']) send(address, port);
  expect(
    list(AF_INET, 1053)
      .map(flow => flow.original.destination)
      .sort(),
  ).toEqual(['127.0.0.1', '127.0.0.2']);
  expect(list(AF_INET6, 1053).map(flow => flow.original)).toEqual([
    { source: '::1', destination: '::1', sourcePort: expect.any(Number), destinationPort: 1053 },
  ]);
  expect(list(AF_INET, 1055)).toEqual([]);
  expect(listFlows(socket, { family: AF_INET, protocol: 6, destinationPort: 1053 })).toEqual([]);
  expect(tracked().match(/dport=1053/g)?.length).toBe(3);
  const [first, second] = list(AF_INET, 1053);
  if (first === undefined || second === undefined) throw new Error('no flows');
  expect(deleteFlow(socket, first)).toBe(true);
  expect(deleteFlow(socket, first)).toBe(false);
  expect(list(AF_INET, 1053).map(flow => flow.original)).toEqual([second.original]);
  expect(list(AF_INET6, 1053).map(flow => deleteFlow(socket, flow))).toEqual([true]);
  expect(deleteFlow(socket, second)).toBe(true);
  expect(tracked()).not.toContain('dport=1053');
  expect(tracked()).toContain('dport=1054');
});

test('the kernel sends only what was asked for', () => {
  let messages = 0;
  const counting = Object.assign(Object.create(socket) as NetlinkSocket, {
    dump: ((request, decode) =>
      socket.dump(request, message => {
        messages++;
        return decode(message);
      })) as NetlinkSocket['dump'],
  });
  for (let port = 2000; port < 2050; port++) send('127.0.0.1', port);
  expect(listFlows(counting, { family: AF_INET, protocol: UDP, destinationPort: 2000 })).toHaveLength(1);
  expect(messages).toBe(1);
});
