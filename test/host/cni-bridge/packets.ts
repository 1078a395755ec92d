/** Cells as far as the network knows them, an outside, and what gets from the one to the other. */
import { expect } from 'bun:test';
import { join } from 'node:path';
import type { Attachment, NetworkBackend, NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';

export interface TestCell {
  /** Of its namespace, as `ip netns` has it. */
  name: string;
  netns: string;
  attachment: Attachment;
  /** Its address, without the length. */
  address: string;
  detach(): Promise<void>;
}

let serial = 0;

/** A namespace that is attached to a network. */
export async function cell(backend: NetworkBackend, network: NetworkDefinition, name: string): Promise<TestCell> {
  const netns = `/run/netns/kuke-${name}`;
  await backend.open({ path: netns }, context());
  const { name: of, configPath } = network;
  const request = { name: of, configPath, netns, interface: 'eth0', attachmentId: `${name}-${++serial}` };
  const attachment = await backend.attach(request, context());
  return {
    name: `kuke-${name}`,
    netns,
    attachment,
    address: attachment.addresses[0]?.split('/')[0] ?? '',
    async detach() {
      await backend.detach(request, context());
      await backend.close({ path: netns }, context());
    },
  };
}

export const OUTSIDE = '192.0.2.2';
export const UPLINK = '192.0.2.1';
export const OUTSIDE6 = '2001:db8::2';
export const UPLINK6 = '2001:db8::1';

/** A host beyond this one, on a link of its own; it knows no way to the cells. */
export async function makeOutside(): Promise<void> {
  await output('ip', 'netns', 'add', 'outside');
  await output('ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'outside');
  await output('ip', 'addr', 'add', `${UPLINK}/24`, 'dev', 'uplink');
  await output('ip', 'link', 'set', 'uplink', 'up');
  await output('ip', '-n', 'outside', 'addr', 'add', `${OUTSIDE}/24`, 'dev', 'eth0');
  await output('ip', 'addr', 'add', `${UPLINK6}/64`, 'dev', 'uplink', 'nodad');
  await output('ip', '-n', 'outside', 'addr', 'add', `${OUTSIDE6}/64`, 'dev', 'eth0', 'nodad');
  await output('ip', '-n', 'outside', 'link', 'set', 'eth0', 'up');
  await output('ip', '-n', 'outside', 'link', 'set', 'lo', 'up');
}

/** Runs echo.ts in a namespace, or on the host itself, until the test ends it; on all addresses unless some are given. */
export async function echo(netns: string | undefined, on: string[] = []): Promise<Disposable> {
  const program = Bun.spawn([...inside(netns), process.execPath, join(import.meta.dir, 'echo.ts'), ...on], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  for await (const chunk of program.stdout) if (Buffer.from(chunk).includes('ready')) break;
  return { [Symbol.dispose]: () => program.kill('SIGKILL') };
}

export interface Reached {
  icmp: boolean;
  /** The address that the other side saw; undefined if there was no answer. */
  tcp: string | undefined;
  udp: string | undefined;
}

/** What gets from a namespace (the host itself if undefined) to an address at which echo.ts listens, within some seconds. */
export async function reach(from: string | undefined, address: string, seconds: number): Promise<Reached> {
  const [icmp, tcp, udp] = await Promise.all([
    run(from, seconds, 'busybox', 'ping', '-c1', address),
    talk(from, 'tcp', address, seconds),
    talk(from, 'udp', address, seconds),
  ]);
  return { icmp: icmp.status === 0, tcp, udp };
}

async function talk(from: string | undefined, protocol: 'tcp' | 'udp', address: string, seconds: number) {
  const script = `exec 3<> /dev/${protocol}/${address}/7 && echo hello >&3 && exec dd bs=128 count=1 status=none <&3`;
  const { stdout } = await run(from, seconds, 'bash', '-c', script);
  return stdout.trim().replace(/^::ffff:/, '') || undefined;
}

export const NOTHING: Reached = { icmp: false, tcp: undefined, udp: undefined };

/** Everything gets through, and the other side sees `source`. */
export const all = (source: string): Reached => ({ icmp: true, tcp: source, udp: source });

export interface Way {
  from: string | undefined;
  to: string;
  /** What is expected: a way that should be open is given time, on one that should be shut nothing comes however long one waits. */
  gets: Reached;
}

/** Tries ways by name, all at once, and compares what got through. */
export async function expectWays(ways: Record<string, Way>): Promise<void> {
  const tried = Object.entries(ways).map(
    async ([name, { from, to, gets }]) => [name, await reach(from, to, gets === NOTHING ? 0.7 : 5)] as const,
  );
  const expected = Object.entries(ways).map(([name, { gets }]) => [name, gets] as const);
  expect(Object.fromEntries(await Promise.all(tried))).toEqual(Object.fromEntries(expected));
}

async function run(netns: string | undefined, seconds: number, ...command: string[]) {
  const program = Bun.spawn([...inside(netns), 'timeout', `${seconds}`, ...command], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
  });
  const [stdout, status] = await Promise.all([program.stdout.text(), program.exited]);
  return { stdout, status };
}

const inside = (netns: string | undefined) => (netns === undefined ? [] : ['ip', 'netns', 'exec', netns]);
