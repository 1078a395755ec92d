/**
 * The leak check: everything that kuke can leave on a host, listed at once.
 *
 *     const before = await inventory();
 *     ...create, stop, delete...
 *     expect(difference(before, await inventory())).toEqual([]);
 *
 * A failure reads as `+ link kuke-main-default bridge`, `- file /etc/cni/net.d/x.conflist`: what is there now and was not, or the reverse.
 * What is expected to stay is given as patterns: `difference(before, after, [/^file \/opt\/kukeon\//])`.
 */
import { existsSync } from 'node:fs';
import * as containerd from './containerd.ts';
import { addresses, links, networkNamespaces, type RulesetEntry, routes, ruleset } from './network.ts';
import { cgroups, filesBelow, mounts, processes } from './system.ts';

/** One line an object: its sort, its name, and what tells it from another of that name. */
export type Inventory = string[];

const defaultAddress = '/run/containerd/containerd.sock';
const stateFolders = ['/etc/cni', '/opt/kukeon', '/run/kukeon', '/run/netns', '/var/lib/cni', '/var/log/kukeon'];
const shimFolders = ['runc', 's', 'fifo', 'io.containerd.runtime.v2.task'].map(folder => `/run/containerd/${folder}`);

/**
 * @param options.files more folders whose files count, e.g. a run path other than /opt/kukeon
 * @param options.address containerd's socket; where nothing is at it, containerd's objects are not listed
 */
export async function inventory(options: { files?: string[]; address?: string } = {}): Promise<Inventory> {
  // First, since the views below start programs.
  const running = processes().filter(({ pid }) => pid !== process.pid);
  const host = await Promise.all([network(), containerdObjects(options.address ?? defaultAddress)]);
  const folders = [...stateFolders, ...shimFolders, ...(options.files ?? [])];
  return [
    ...host.flat(),
    ...cgroups().map(path => `cgroup ${path}`),
    ...mounts().map(({ target, type }) => `mount ${target} ${type}`),
    ...folders.flatMap(filesBelow).map(path => `file ${path}`),
    ...running.map(({ command }) => `process ${command.join(' ')}`),
  ].sort();
}

/** Lines that one inventory has and the other lacks, or has more often, with `+` for what came and `-` for what went. */
export function difference(before: Inventory, after: Inventory, expected: RegExp[] = []): string[] {
  const surplus = (of: Inventory, over: Inventory) => {
    const left = new Map<string, number>();
    for (const line of over) left.set(line, (left.get(line) ?? 0) + 1);
    return of.filter(line => {
      const count = left.get(line) ?? 0;
      left.set(line, count - 1);
      return count <= 0 && !expected.some(pattern => pattern.test(line));
    });
  };
  return [...surplus(before, after).map(line => `- ${line}`), ...surplus(after, before).map(line => `+ ${line}`)];
}

async function network(): Promise<string[]> {
  const [allLinks, allAddresses, allRoutes, allNamespaces, rules] = await Promise.all([
    links(),
    addresses(),
    routes(),
    networkNamespaces(),
    ruleset(),
  ]);
  return [
    ...allLinks.map(({ ifname, linkinfo, master }) =>
      ['link', ifname, linkinfo?.info_kind, master].filter(Boolean).join(' '),
    ),
    // The kernel makes link-local addresses and routes by itself, some seconds after a link came up.
    ...allAddresses
      .filter(({ scope }) => scope !== 'link')
      .map(({ ifname, local, prefixlen }) => `address ${local}/${prefixlen} ${ifname}`),
    ...allRoutes
      .filter(({ dst }) => !dst.startsWith('fe80:'))
      .map(({ dst, gateway, dev }) => ['route', dst, gateway, dev].filter(Boolean).join(' ')),
    ...allNamespaces.map(name => `netns ${name}`),
    ...withoutIptablesScaffold(rules).map(ruleLine),
  ];
}

/** iptables never takes away the tables and base chains that it made; they count once they hold a rule. */
function withoutIptablesScaffold(entries: RulesetEntry[]): RulesetEntry[] {
  const iptablesTable = /^ip6? (filter|nat|mangle|raw|security)$/;
  return entries.filter(({ table, chain }) => {
    if (table !== undefined) return !iptablesTable.test(`${table.family} ${table.name}`);
    return chain?.hook === undefined || !iptablesTable.test(`${chain.family} ${chain.table}`);
  });
}

/** `nft inet kukeon chain forward {...}`, without handles and counters, which change while nothing changes. */
function ruleLine(entry: RulesetEntry): string {
  const [[sort, object] = ['', {}]] = Object.entries(entry);
  const { family, table, chain, name, handle: _, index: __, ...rest } = object;
  const details = JSON.stringify(rest, (key, value: unknown) =>
    key === 'packets' || key === 'bytes' || key === 'expires' ? undefined : value,
  );
  return ['nft', family, table, sort, chain, name, details === '{}' ? undefined : details]
    .filter(part => part !== undefined)
    .join(' ');
}

async function containerdObjects(address: string): Promise<string[]> {
  if (!existsSync(address)) return [];
  const namespaces = await containerd.namespaces(address);
  const perNamespace = await Promise.all(
    namespaces.map(async namespace => {
      const [containers, tasks, snapshots, leases, images, content] = await Promise.all([
        containerd.containers(namespace, address),
        containerd.tasks(namespace, address),
        containerd.snapshots(namespace, address),
        containerd.leases(namespace, address),
        containerd.images(namespace, address),
        containerd.content(namespace, address),
      ]);
      return [
        ...containers.map(id => `container ${namespace} ${id}`),
        ...tasks.map(({ id, status }) => `task ${namespace} ${id} ${status}`),
        ...snapshots.map(({ key, kind }) => `snapshot ${namespace} ${key} ${kind}`),
        ...leases.map(id => `lease ${namespace} ${id}`),
        ...images.map(name => `image ${namespace} ${name}`),
        ...content.map(digest => `content ${namespace} ${digest}`),
      ];
    }),
  );
  return [...namespaces.map(name => `namespace ${name}`), ...perNamespace.flat()];
}
