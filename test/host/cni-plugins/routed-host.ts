/** Two bridges with cells on them and a network outside, made with ip(8), and who gets an answer from whom. */
import { join } from 'node:path';
import type { JsonObject } from '../../../src/cni/json.ts';
import type { AttachmentCall, GcCall } from '../../../src/cni/plugins/plugin.ts';
import { silent } from '../../../src/cni/plugins/trace.ts';
import { formatResult, type Result } from '../../../src/cni/result.ts';
import { run } from '../netlink/outside.ts';

export const BRIDGES = {
  'br-a': { v4: '10.88.0.1', v6: 'fd00:a::1' },
  'br-b': { v4: '10.89.0.1', v6: 'fd00:b::1' },
} as const;

export const CELLS = {
  a1: { bridge: 'br-a', v4: '10.88.0.11', v6: 'fd00:a::11' },
  a2: { bridge: 'br-a', v4: '10.88.0.12', v6: 'fd00:a::12' },
  b1: { bridge: 'br-b', v4: '10.89.0.11', v6: 'fd00:b::11' },
} as const;
export type CellName = keyof typeof CELLS;

/** This host as the outside knows it, and the outside, which has no way back to the cells. */
export const UPLINK = { v4: '192.0.2.1', v6: '2001:db8::1' } as const;
export const OUTSIDE = { v4: '192.0.2.2', v6: '2001:db8::2' } as const;

const PORTS = ['7', '53'];

/** Makes all of it, in this network namespace, with servers in every cell and outside on the ports 7 and 53. */
export async function makeRoutedHost(): Promise<Disposable> {
  run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  for (const [bridge, { v4, v6 }] of Object.entries(BRIDGES)) {
    run('ip', 'link', 'add', bridge, 'type', 'bridge');
    address(undefined, bridge, `${v4}/16`, `${v6}/64`);
  }
  for (const [name, { bridge, v4, v6 }] of Object.entries(CELLS)) {
    addNamespace(name, `veth-${name}`);
    run('ip', 'link', 'set', `veth-${name}`, 'master', bridge, 'up');
    address(name, 'eth0', `${v4}/16`, `${v6}/64`);
    run('ip', '-n', name, 'route', 'add', 'default', 'via', BRIDGES[bridge].v4);
    run('ip', '-n', name, '-6', 'route', 'add', 'default', 'via', BRIDGES[bridge].v6);
  }
  addNamespace('outside', 'uplink');
  address(undefined, 'uplink', `${UPLINK.v4}/24`, `${UPLINK.v6}/64`);
  address('outside', 'eth0', `${OUTSIDE.v4}/24`, `${OUTSIDE.v6}/64`);
  const servers = await Promise.all([...Object.keys(CELLS), 'outside'].map(name => serve(name, PORTS)));
  // A moment after its links came up nobody is asked for by IPv6, and what is sent then is lost.
  await Promise.all([...Object.values(CELLS), OUTSIDE].map(({ v6 }) => ask(undefined, 'tcp', v6, 7, 10)));
  return {
    [Symbol.dispose]() {
      for (const server of servers) server.kill('SIGKILL');
    },
  };
}

function addNamespace(name: string, link: string): void {
  run('ip', 'netns', 'add', name);
  run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  run('ip', '-n', name, 'link', 'set', 'lo', 'up');
}

function address(netns: string | undefined, link: string, v4: string, v6: string): void {
  const ip = netns === undefined ? ['ip'] : ['ip', '-n', netns];
  run(...ip, 'link', 'set', link, 'up');
  run(...ip, 'addr', 'add', v4, 'dev', link);
  run(...ip, '-6', 'addr', 'add', v6, 'dev', link, 'nodad');
}

const inside = (netns: string | undefined) => (netns === undefined ? [] : ['ip', 'netns', 'exec', netns]);

async function serve(netns: string, ports: readonly string[]) {
  const program = Bun.spawn(
    [...inside(netns), process.execPath, join(import.meta.dir, 'answering.ts'), netns, ...ports],
    {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'inherit',
    },
  );
  for await (const chunk of program.stdout) if (Buffer.from(chunk).includes('ready')) break;
  return program;
}

/** Who answers on a port, and whom they saw: `a1 192.0.2.2`; '' if nobody does. From a namespace, or undefined: from the host itself. */
export async function ask(
  from: string | undefined,
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
  seconds = 1,
): Promise<string> {
  const script = `exec 3<> /dev/${protocol}/${address}/${port} && echo hello >&3 && exec dd bs=128 count=1 status=none <&3`;
  const program = Bun.spawn([...inside(from), 'timeout', `${seconds}`, 'bash', '-c', script], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
  });
  return (await program.stdout.text()).trim();
}

/** What a call of ADD, DEL or CHECK for a cell carries. */
export function callFor(name: CellName, config: JsonObject = {}, runtimeConfig: JsonObject = {}): AttachmentCall {
  const { bridge } = CELLS[name];
  return {
    command: 'ADD',
    network: `net-${bridge}`,
    cniVersion: '1.1.0',
    config: { cniVersion: '1.1.0', name: `net-${bridge}`, type: 'portmap', ...config },
    runtimeConfig,
    prevResult: resultOf(name),
    path: [],
    trace: silent,
    signal: undefined,
    containerId: name,
    ifName: 'eth0',
    netns: `/run/netns/${name}`,
    args: [],
  };
}

/** What the bridge plugin would have said of a cell. */
export function resultOf(name: CellName): Result {
  const { bridge, v4, v6 } = CELLS[name];
  return {
    cniVersion: '1.1.0',
    interfaces: [{ name: bridge }, { name: `veth-${name}` }, { name: 'eth0', sandbox: `/run/netns/${name}` }],
    ips: [
      { address: `${v4}/16`, gateway: BRIDGES[bridge].v4, interface: 2 },
      { address: `${v6}/64`, gateway: BRIDGES[bridge].v6, interface: 2 },
    ],
    routes: [],
  };
}

/** Executes Debian's reference plugin of a configuration's type; throws with what it printed if it failed. */
export function reference(command: 'ADD' | 'DEL' | 'CHECK', call: AttachmentCall): void {
  const { config, runtimeConfig, prevResult, containerId, netns, ifName } = call;
  const stdin = JSON.stringify({
    ...config,
    cniVersion: '1.0.0',
    runtimeConfig,
    prevResult: prevResult && formatResult(prevResult, '1.0.0'),
  });
  const { exitCode, stdout } = Bun.spawnSync([`/usr/lib/cni/${config.type}`], {
    env: {
      PATH: process.env.PATH,
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: ifName,
      CNI_PATH: '/usr/lib/cni',
    },
    stdin: Buffer.from(stdin),
    stderr: 'inherit',
  });
  if (exitCode !== 0) throw new Error(stdout.toString());
}

/** A GC of a bridge's network that keeps the attachments of these cells. */
export function gcFor(bridge: keyof typeof BRIDGES, kept: readonly CellName[]): GcCall {
  const { containerId: _, ifName: _i, netns: _n, args: _a, prevResult: _p, ...call } = callFor('a1');
  const valid = kept.map(containerId => ({ containerId, ifName: 'eth0' }));
  return { ...call, command: 'GC', network: `net-${bridge}`, prevResult: undefined, valid };
}
