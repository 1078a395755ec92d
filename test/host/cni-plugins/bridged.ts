/** Attachments to bridges by kuke's own plugin, in this process, and what there is of them on the host and in its containers. */
import '../box.ts';
import type { JsonObject } from '../../../src/cni/json.ts';
import type { Verb } from '../../../src/cni/plugins/call.ts';
import { perform } from '../../../src/cni/plugins/perform.ts';
import { PluginError } from '../../../src/cni/plugins/plugin-error.ts';
import { formatResult, parseResult, type Result } from '../../../src/cni/result.ts';
import { ip, ipJson, nftList, run } from '../netlink/outside.ts';

export interface Request {
  /** Both the container and its namespace. */
  id: string;
  ifName?: string;
  netns?: string;
  args?: string;
  plugin?: string;
  signal?: AbortSignal;
}

/** A configuration of the network `lab`, on the bridge `br0`, with addresses of these ranges. */
export function network(keys: JsonObject = {}, ranges: readonly string[] = []): JsonObject {
  const ipam = { type: 'host-local', ranges: ranges.map(subnet => [{ subnet }]) };
  return {
    cniVersion: '1.1.0',
    name: 'lab',
    type: 'bridge',
    bridge: 'br0',
    ...(ranges.length > 0 && { ipam }),
    ...keys,
  };
}

export const V4 = '10.77.0.0/24';
export const V6 = 'fd77::/64';

export function netnsOf(id: string): string {
  return `/run/netns/${id}`;
}

export function addContainer(id: string): void {
  run('ip', 'netns', 'add', id);
}

/** A process that keeps a container's namespace when its name goes. */
export async function holdNamespace(id: string): Promise<AsyncDisposable> {
  const script = 'echo inside; exec sleep 1000';
  const holder = Bun.spawn(['nsenter', `--net=${netnsOf(id)}`, 'sh', '-c', script], { stdout: 'pipe' });
  for await (const _ of holder.stdout) break;
  return {
    async [Symbol.asyncDispose]() {
      holder.kill('SIGKILL');
      await holder.exited;
    },
  };
}

/** Calls the plugin; what it throws goes through. */
export async function call(
  command: Verb,
  config: JsonObject,
  { id, ifName = 'eth0', netns = netnsOf(id), ...more }: Request,
): Promise<JsonObject | undefined> {
  const path = ['/usr/lib/cni'];
  return await perform({ plugin: 'bridge', command, containerId: id, ifName, netns, path, config, ...more });
}

export async function add(config: JsonObject, request: Request): Promise<Result> {
  const version = '1.1.0';
  return parseResult(await call('ADD', config, request), version);
}

export async function del(config: JsonObject, request: Request): Promise<void> {
  await call('DEL', config, request);
}

export async function check(config: JsonObject, request: Request, result: Result): Promise<void> {
  await call('CHECK', { ...config, prevResult: formatResult(result, result.cniVersion) }, request);
}

/** The error of a verb that has to fail. */
export async function refusal(attempt: Promise<unknown>): Promise<PluginError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof PluginError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

export interface Shown {
  ifname: string;
  ifindex: number;
  flags: string[];
  mtu: number;
  address: string;
  operstate: string;
  master?: string;
  ifalias?: string;
  group: string;
  link_index?: number;
  linkinfo?: {
    info_kind?: string;
    info_slave_data?: { hairpin: boolean; isolated: boolean; state: string };
  };
}

const inside = (netns: string | undefined) => (netns === undefined ? [] : ['-n', netns]);

/** A link as ip(8) shows it, on the host or in a container. */
export function link(name: string, netns?: string): Shown | undefined {
  return ipJson<Shown>(...inside(netns), '-d', 'link', 'show', 'dev', name)[0];
}

/** `10.77.0.2/24`; those that are not yet, or not, to be used say so. Link-local ones are left out. */
export function addresses(name: string, netns?: string): string[] {
  interface Row {
    addr_info: { local: string; prefixlen: number; scope: string; tentative?: boolean; dadfailed?: boolean }[];
  }
  return ipJson<Row>(...inside(netns), 'address', 'show', 'dev', name).flatMap(row =>
    (row.addr_info ?? [])
      .filter(({ scope }) => scope !== 'link')
      .map(one => `${one.local}/${one.prefixlen}${one.tentative || one.dadfailed ? ' tentative' : ''}`),
  );
}

/** `default via 10.77.0.1`, of both families; those of the subnets themselves are left out. */
export function routes(netns: string): string[] {
  interface Row {
    dst: string;
    gateway?: string;
    protocol?: string;
  }
  const rows = ['-4', '-6'].flatMap(family => ipJson<Row>('-n', netns, family, 'route'));
  return rows
    .filter(({ protocol }) => protocol !== 'kernel')
    .map(({ dst, gateway }) => (gateway ? `${dst} via ${gateway}` : dst));
}

/** Whether an address answers to a ping from a container. */
export async function answers(netns: string, address: string): Promise<boolean> {
  const ping = Bun.spawn(
    ['nsenter', `--net=${netnsOf(netns)}`, 'busybox', 'ping', '-c', '1', '-W', '1', '-A', address],
    { stdout: 'ignore', stderr: 'ignore' },
  );
  return (await ping.exited) === 0;
}

/** All that an attachment could leave. */
export function traces() {
  const reservations = [...new Bun.Glob('**').scanSync({ cwd: '/var/lib/cni', dot: true, onlyFiles: true })];
  return {
    links: ipJson<Shown>('link').map(({ ifname }) => ifname),
    rules: nftList('ruleset'),
    reservations: reservations.filter(file => !/\/(?:lock|last_reserved_ip\.\d+)$/.test(file)),
  };
}

/** Takes away everything that a test has made, whatever of it is left. */
export function clear(): void {
  for (const { ifname } of ipJson<Shown>('link')) if (ifname !== 'lo') ip('link', 'del', ifname);
  for (const { name } of ipJson<{ name: string }>('netns')) run('ip', 'netns', 'del', name);
  run('nft', 'flush', 'ruleset');
  run('rm', '-rf', '/var/lib/cni');
  run('mkdir', '-p', '/var/lib/cni');
  run('sysctl', '-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0');
}
