import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  createBridge,
  createVeth,
  deleteGroup,
  deleteLink,
  getLink,
  requireLink,
  setLink,
} from '../../../src/host/netlink/link.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { ip, ipJson, run } from './outside.ts';

let socket: NetlinkSocket;
beforeEach(() => {
  socket = new NetlinkSocket('route');
  createBridge(socket, { name: 'br-p', up: true });
  run('ip', 'netns', 'add', 'cell');
});
afterEach(() => {
  Bun.spawnSync(['ip', 'link', 'del', 'veth-p']); // the kernel is in no hurry to take it away with its namespace
  run('ip', 'netns', 'del', 'cell');
  Bun.spawnSync(['ip', 'link', 'del', 'br-p']);
  socket.close();
});

interface Shown {
  flags: string[];
  ifalias?: string;
  group: string;
  inet6_addr_gen_mode: string;
  linkinfo?: { info_slave_kind?: string; info_slave_data?: { hairpin: boolean; isolated: boolean; state: string } };
}
const shown = (name: string): Shown | undefined => ipJson<Shown>('-d', 'link', 'show', 'dev', name)[0];

const peer = { name: 'eth0', netns: '/run/netns/cell' };

describe('a port of a bridge', () => {
  test('comes with its alias and settings, and without a link-local address', () => {
    const port = { hairpin: true, isolated: true };
    createVeth(socket, { name: 'veth-p', master: 'br-p', up: true, alias: 'whose', port, linkLocal: false, peer });
    run('ip', '-n', 'cell', 'link', 'set', 'eth0', 'up');

    expect(shown('veth-p')).toMatchObject({ ifalias: 'whose', inet6_addr_gen_mode: 'none' });
    expect(shown('veth-p')?.flags).toContain('UP');
    expect(shown('veth-p')?.linkinfo).toMatchObject({ info_slave_kind: 'bridge', info_slave_data: port });
    expect(requireLink(socket, 'veth-p')).toMatchObject({ alias: 'whose', running: true, port });
    expect(ip('-6', 'address', 'show', 'dev', 'veth-p')).toBe('');
  });

  test('has neither setting unless asked for, and takes them later, each by itself', () => {
    createVeth(socket, { name: 'veth-p', master: 'br-p', up: true, peer });
    expect(requireLink(socket, 'veth-p').port).toEqual({ hairpin: false, isolated: false });
    setLink(socket, 'veth-p', { port: { hairpin: true } });
    expect(shown('veth-p')?.linkinfo?.info_slave_data).toMatchObject({ hairpin: true, isolated: false });
    setLink(socket, 'veth-p', { port: { isolated: true } });
    setLink(socket, 'veth-p', { port: { hairpin: false } });
    expect(requireLink(socket, 'veth-p').port).toEqual({ hairpin: false, isolated: true });
    expect(requireLink(socket, 'br-p')).not.toHaveProperty('port');
  });

  test('of which a part is refused is told by that part', () => {
    const port = { hairpin: true };
    expect(() => createVeth(socket, { name: 'veth-p', port, peer })).toThrow(/^set link veth-p: .*\(EOPNOTSUPP\)$/);
    deleteLink(socket, 'veth-p');
    run('ip', '-n', 'cell', 'link', 'add', 'eth0', 'type', 'bridge');
    expect(() => createVeth(socket, { name: 'veth-p', master: 'br-p', alias: 'x', peer })).toThrow(
      'create veth veth-p: File exists (EEXIST)',
    );
    expect(getLink(socket, 'veth-p')).toBeUndefined();
    expect(requireLink(socket, 'lo').index).toBe(1); // no answer of the second request is left over
  });
});

test('promiscuous mode goes on and off, and a capture is none', () => {
  setLink(socket, 'br-p', { promiscuous: true });
  expect(shown('br-p')?.flags).toContain('PROMISC');
  expect(requireLink(socket, 'br-p')).toMatchObject({ promiscuous: true, up: true });
  setLink(socket, 'br-p', { promiscuous: false });
  expect(shown('br-p')?.flags).not.toContain('PROMISC');
  expect(requireLink(socket, 'br-p')).toMatchObject({ promiscuous: false, up: true });
});

test('gratuitous ARP is a setting of a link, too', () => {
  const parameter = () => run('sysctl', '-n', 'net.ipv4.conf.br-p.arp_notify');
  expect(parameter()).toBe('0\n');
  setLink(socket, 'br-p', { arpNotify: true, linkLocal: false });
  expect(parameter()).toBe('1\n');
  expect(shown('br-p')?.inet6_addr_gen_mode).toBe('none');
  setLink(socket, 'br-p', { arpNotify: false });
  expect(parameter()).toBe('0\n');
});

test('a group is deleted as long as the link is in it', () => {
  createBridge(socket, { name: 'br-g', group: 0x40000001 });
  expect(requireLink(socket, 'br-g').group).toBe(0x40000001);
  expect(shown('br-g')?.group).toBe(String(0x40000001));
  expect(() => deleteGroup(socket, 0x40000002)).toThrow('delete group 1073741826: No such device (ENODEV)');
  setLink(socket, 'br-g', { group: 0 });
  expect(() => deleteGroup(socket, 0x40000001)).toThrow('(ENODEV)');
  expect(requireLink(socket, 'br-g')).not.toHaveProperty('group');
  setLink(socket, 'br-g', { group: 0x40000001 });
  deleteGroup(socket, 0x40000001);
  expect(shown('br-g')).toBeUndefined();
  expect(shown('br-p')).toBeDefined();
});
