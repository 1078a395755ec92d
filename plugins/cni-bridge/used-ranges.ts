/** The ranges that are in use on this host, so that none of them is handed out to a space (spec.md §4). */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { conform, parseJson } from '../../src/cni/json.ts';
import { listAddresses } from '../../src/host/netlink/address.ts';
import { type Link, listLinks } from '../../src/host/netlink/link.ts';
import { listRoutes } from '../../src/host/netlink/route.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { networkOf } from './ip-range.ts';
import type { Networks } from './space-network.ts';
import type { UsedRange } from './subnets.ts';

/** All of them. `bridge` is the name of the asker's own bridge, which may still be there with its address. */
export async function usedRanges(networks: Networks, bridge: string): Promise<UsedRange[]> {
  const { spaces, foreign } = networks;
  return [
    ...spaces.flatMap(({ subnet, subnet6, path }) =>
      [subnet, ...(subnet6 === undefined ? [] : [subnet6])].map(range => ({ range, by: path })),
    ),
    ...foreign.flatMap(({ path, ranges }) => ranges.map(range => ({ range: networkOf(range), by: path }))),
    ...(await podmanRanges()),
    ...kernelRanges(bridge),
  ];
}

function kernelRanges(bridge: string): UsedRange[] {
  using socket = new NetlinkSocket('route');
  const links = new Map<number | undefined, Link>(listLinks(socket).map(link => [link.index, link]));
  const nameOf = (index: number | undefined) => links.get(index)?.name;
  const addresses = listAddresses(socket)
    .filter(({ link }) => nameOf(link) !== bridge)
    .map(({ address, link }) => ({ range: networkOf(address), by: `address ${address} of ${nameOf(link)}` }));
  const routes = listRoutes(socket, { table: 'all' })
    .filter(({ destination, link }) => !destination.endsWith('/0') && nameOf(link) !== bridge)
    .map(({ destination, link }) => ({
      range: destination,
      by: `route ${destination}${link === undefined ? '' : ` via ${nameOf(link)}`}`,
    }));
  return [...addresses, ...routes];
}

/** podman's networks of netavark (containers-network), and the one that it makes by itself when it is first used. */
async function podmanRanges(): Promise<UsedRange[]> {
  const folders = ['/etc/containers/networks', join(homedir(), '.local/share/containers/storage/networks')];
  const files = (await Promise.all(folders.map(jsonFiles))).flat();
  const ranges = (await Promise.all(files.map(podmanNetwork))).flat();
  const netavark = ['/usr/lib/podman/netavark', '/usr/libexec/podman/netavark'].some(path => existsSync(path));
  const ownDefault = { range: '10.88.0.0/16', by: "podman's default network" };
  return netavark ? [...ranges, ownDefault] : ranges;
}

const podmanSchema = v.object({ subnets: v.array(v.object({ subnet: v.string() })) });

async function podmanNetwork(path: string): Promise<UsedRange[]> {
  try {
    const { subnets } = conform(podmanSchema, parseJson(await readFile(path, 'utf8')));
    return subnets.map(({ subnet }) => ({ range: networkOf(subnet), by: path }));
  } catch {
    return []; // a network that podman cannot read either
  }
}

async function jsonFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter(name => name.endsWith('.json')).map(name => join(folder, name));
}
