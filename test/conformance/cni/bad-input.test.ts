/** What no runtime should say: the specification's error, an exit status that is not 0, and nothing made. */
import { describe, expect, test } from 'bun:test';
import { attachmentOf, type Case, cases, expectError, internal, onHost } from './case.ts';
import { bridge, hostLocal, V4 } from './configs.ts';
import type { Host } from './host.ts';
import { has } from './implementation.ts';
import { execute, type Json } from './plugin.ts';

interface Said {
  name: string;
  env?: Record<string, string | undefined>;
  stdin?: string | ((usual: Json) => Json | string);
  code: number;
  msg?: RegExp;
  /** The code that the reference plugins give. */
  internal?: number;
}

const said: Said[] = [
  { name: 'nothing on stdin', stdin: '', code: 6 },
  { name: 'garbage on stdin', stdin: '\0\u00ff{{{', code: 6 },
  { name: 'JSON cut short', stdin: usual => JSON.stringify(usual).slice(0, -1), code: 6 },
  { name: 'a list on stdin', stdin: '[]', code: 6 },
  { name: 'null on stdin', stdin: 'null', code: 7 },
  { name: 'a megabyte of depth on stdin', stdin: '['.repeat(1 << 20), code: 6 },
  { name: 'a network without a name', stdin: ({ name: _, ...rest }) => rest, code: 7, msg: /name/ },
  { name: 'an empty name of the network', stdin: usual => ({ ...usual, name: '' }), code: 7, msg: /name/ },
  { name: 'a name that is a path', stdin: usual => ({ ...usual, name: '../../etc' }), code: 7 },
  { name: 'a name with a space', stdin: usual => ({ ...usual, name: 'a b' }), code: 7 },
  { name: 'a version that is a number', stdin: usual => ({ ...usual, cniVersion: 1 }), code: 6 },
  {
    name: 'a configuration that is a text',
    stdin: usual => ({ ...usual, ipam: 'host-local' }),
    code: 7,
    msg: /ipam/,
    internal: 999,
  },
  { name: 'a prevResult that is a text', stdin: usual => ({ ...usual, prevResult: 'none' }), code: 6, internal: 999 },
  { name: 'no CNI_CONTAINERID', env: { CNI_CONTAINERID: undefined }, code: 4, msg: /CNI_CONTAINERID/ },
  { name: 'an empty CNI_CONTAINERID', env: { CNI_CONTAINERID: '' }, code: 4, msg: /CNI_CONTAINERID/ },
  { name: 'no CNI_NETNS', env: { CNI_NETNS: undefined }, code: 4, msg: /CNI_NETNS/ },
  { name: 'an empty CNI_NETNS', env: { CNI_NETNS: '' }, code: 4, msg: /CNI_NETNS/ },
  { name: 'no CNI_IFNAME', env: { CNI_IFNAME: undefined }, code: 4, msg: /CNI_IFNAME/ },
  { name: 'no CNI_PATH', env: { CNI_PATH: undefined }, code: 4, msg: /CNI_PATH/ },
  {
    name: 'several variables missing: all are named',
    env: { CNI_NETNS: undefined, CNI_IFNAME: undefined },
    code: 4,
    msg: /CNI_NETNS.*CNI_IFNAME|CNI_IFNAME.*CNI_NETNS/,
  },
  { name: 'an unknown command', env: { CNI_COMMAND: 'FETCH' }, code: 4, msg: /FETCH/ },
  { name: 'a command in small letters', env: { CNI_COMMAND: 'add' }, code: 4 },
  { name: 'a CNI_CONTAINERID that is a path', env: { CNI_CONTAINERID: '../../../etc/passwd' }, code: 4 },
  { name: 'a CNI_CONTAINERID with a line break', env: { CNI_CONTAINERID: 'a\nb' }, code: 4 },
  { name: 'a CNI_CONTAINERID that begins with a dot', env: { CNI_CONTAINERID: '.a' }, code: 4 },
  { name: 'an interface name of 16 characters', env: { CNI_IFNAME: 'a234567890123456' }, code: 4 },
  { name: 'an interface name with a slash', env: { CNI_IFNAME: 'eth/0' }, code: 4 },
  { name: 'an interface name with a colon', env: { CNI_IFNAME: 'eth:0' }, code: 4 },
  { name: 'an interface name with a space', env: { CNI_IFNAME: 'eth 0' }, code: 4 },
  { name: 'the interface name .', env: { CNI_IFNAME: '.' }, code: 4 },
  { name: 'the interface name ..', env: { CNI_IFNAME: '..' }, code: 4 },
];

/** Codes 3, 4 and 7 of what is not allowed in an id or name: the specification gives several to choose from. */
const CHOICE = /CNI_CONTAINERID that|interface name/;

describe('bad input', () => {
  for (const { name, env = {}, stdin, code, msg = /./, internal: other } of said) {
    test(name, () =>
      onHost(async host => {
        const { name: containerId, netns } = await host.container();
        const usual = { cniVersion: '1.0.0', name: 'net', ...bridge(host) };
        const before = await host.snapshot();
        const answer = await execute({
          type: 'bridge',
          env: { CNI_COMMAND: 'ADD', CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: 'eth0', ...env },
          stdin: typeof stdin === 'function' ? stdin(usual) : (stdin ?? usual),
          host: host.name,
        });
        if (CHOICE.test(name)) {
          expect([3, 4, 7]).toContain(Number(answer.json?.code));
          expectError(answer, { code: Number(answer.json?.code), msg });
        } else expectError(answer, { code: has('internal errors') ? (other ?? code) : code, msg });
        expect(await host.snapshot()).toEqual(before);
      }),
    );
  }

  test('DEL needs no CNI_NETNS, but the rest', () =>
    onHost(async host => {
      const env = { CNI_COMMAND: 'DEL', CNI_IFNAME: 'eth0' };
      const stdin = { cniVersion: '1.0.0', name: 'net', ...bridge(host) };
      const answer = await execute({ type: 'bridge', env, stdin, host: host.name });
      expectError(answer, { code: 4, msg: /CNI_CONTAINERID/ });
      const whole = await execute({ type: 'bridge', env: { ...env, CNI_CONTAINERID: 'c1' }, stdin, host: host.name });
      expect({ status: whole.status, stdout: whole.stdout }).toEqual({ status: 0, stdout: '' });
    }));

  test('without CNI_COMMAND a plugin says who it is, on stderr', () =>
    onHost(async ({ name: host }) => {
      const answer = await execute({ type: 'bridge', env: {}, stdin: '', host });
      expect(answer.stdout).toBe('');
      expect(answer.stderr).toMatch(/bridge[\s\S]*1\.0\.0/);
    }));
});

const BRIDGE_LEFT = /^link \S+ up$/;
const noNetns = (name: string, netns: string): Case => ({
  name,
  netns,
  plugins: host => [bridge(host)],
  error: { code: 8, msg: new RegExp(netns) },
  unless: internal(new RegExp(netns), [BRIDGE_LEFT]),
});

cases('bad surroundings', [
  noNetns('a netns path that is not there', '/run/netns/nobody'),
  noNetns('a netns path that is a file', '/etc/hostname'),
  noNetns('a netns path that is a folder', '/run'),
  noNetns('a netns path that is another kind of namespace', '/proc/1/ns/uts'),
  {
    name: 'a bridge name of 16 characters',
    plugins: host => [bridge(host, { bridge: 'br34567890123456' })],
    error: { code: 7, msg: /br34567890123456/ },
    unless: internal(/br34567890123456.*numerical result out of range/),
  },
  {
    name: 'a bridge name with a slash',
    plugins: host => [bridge(host, { bridge: 'br/0' })],
    error: 7,
    unless: internal(/./),
  },
  {
    name: 'a bridge name that is another kind of link',
    plugins: host => [bridge(host, { bridge: 'veth-other' })],
    prepare: host => host.ip('link', 'add', 'veth-other', 'type', 'veth', 'peer', 'name', 'veth-peer'),
    error: { code: 7, msg: /veth-other/ },
    unless: internal(/veth-other.*not a bridge/),
  },
  {
    name: 'an interface of that name is in the container',
    plugins: host => [bridge(host)],
    prepare: (host, { name }) => host.run('ip', '-n', name, 'link', 'add', 'eth0', 'type', 'bridge'),
    error: { code: 4, msg: /eth0/ },
    unless: internal(/eth0/, [BRIDGE_LEFT]),
  },
  {
    name: 'an IPAM plugin that is not installed',
    plugins: () => [{ type: 'bridge', bridge: 'br0', ipam: { type: 'nowhere' } }],
    error: { code: 999, msg: /nowhere/ },
    unless: { 'failed ADD leaves interfaces': { leaves: [BRIDGE_LEFT, /^link veth\S+ br0/, /^container /] } },
  },
  {
    name: 'an IPAM plugin that is a path',
    plugins: () => [{ type: 'bridge', bridge: 'br0', ipam: { type: '../../bin/true' } }],
    error: { code: 7, msg: /\.\.\/bin\/true/ },
    unless: internal(/./, [BRIDGE_LEFT, /^link veth\S+ br0/, /^container /]),
  },
  {
    name: 'an exhausted range',
    plugins: host => [bridge(host, { isGateway: true }, { ranges: [[{ subnet: '10.77.0.0/30' }]] })],
    prepare: (host: Host) => Bun.write(`${host.folder}/ipam/net/10.77.0.2`, 'somebody\r\neth0'),
    error: { code: 999, msg: /no IP addresses available/ },
    leaves: [BRIDGE_LEFT, /lock$/],
    unless: {
      'host-local: an index': { leaves: [BRIDGE_LEFT, /lock$/, /\.by-id\/\w+\.0$/] },
      'failed ADD leaves interfaces': { leaves: [BRIDGE_LEFT, /lock$/, /^link veth\S+ br0/, /^container /] },
    },
  },
  {
    name: 'overlapping ranges',
    plugins: host => [bridge(host, {}, { ranges: [[{ subnet: V4 }], [{ subnet: V4 }]] })],
    error: { code: 7, msg: /overlap/ },
    leaves: [BRIDGE_LEFT],
    unless: internal(/overlap/, [BRIDGE_LEFT, /^link veth\S+ br0/, /^container /]),
  },
  {
    name: 'a dataDir that is a file',
    plugins: host => [{ type: 'host-local', ipam: hostLocal(host) }],
    prepare: host => Bun.write(`${host.folder}/ipam`, ''),
    error: { code: 5, msg: /ipam/ },
    unless: internal(/ipam/),
  },
]);

test('the configuration is not executed from the current folder', () =>
  onHost(async host => {
    const container = await host.container();
    const { network } = attachmentOf({ name: '', plugins: () => [] }, host, container);
    await Bun.write(`${host.folder}/host-local`, '#!/bin/sh\ntouch "$PWD/ran"\n');
    await host.run('chmod', '+x', `${host.folder}/host-local`);
    const answer = await execute({
      type: 'bridge',
      env: {
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: container.name,
        CNI_NETNS: container.netns,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/nowhere',
      },
      stdin: { ...bridge(host), cniVersion: network.cniVersion, name: network.name, ipam: { type: './host-local' } },
      host: host.name,
      cwd: host.folder,
    });
    expect(answer.status).toBeGreaterThan(0);
    expect(await Bun.file(`${host.folder}/ran`).exists()).toBe(false);
  }));
