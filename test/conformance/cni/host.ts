/** A host of its own for each case: a network namespace that plays the host, others that play containers, and a folder for files. */
import { mkdirSync, rmSync } from 'node:fs';
import { json, output } from '../../host/observe/command.ts';
import { type Route, type RulesetEntry, ruleset } from '../../host/observe/network.ts';
import { filesBelow } from '../../host/observe/system.ts';

let serial = 0;

export interface Container {
  /** Name of its namespace for `ip netns`. */
  name: string;
  /** Path of its namespace. */
  netns: string;
}

export class Host {
  readonly name: string;
  /** For the files of IPAM and of the test. */
  readonly folder: string;
  readonly containers: Container[] = [];
  #made = 0;

  private constructor(name: string) {
    this.name = name;
    this.folder = `/var/lib/conformance/${name}`;
  }

  static async make(): Promise<Host> {
    const host = new Host(`host${++serial}`);
    mkdirSync(host.folder, { recursive: true });
    await output('ip', 'netns', 'add', host.name);
    await host.ip('link', 'set', 'lo', 'up');
    return host;
  }

  async container(): Promise<Container> {
    const name = `${this.name}-c${++this.#made}`;
    await output('ip', 'netns', 'add', name);
    const made = { name, netns: `/run/netns/${name}` };
    this.containers.push(made);
    return made;
  }

  /** The namespace of a container goes, as at a reboot, or when somebody removes it. */
  async lose(container: Container): Promise<void> {
    await output('ip', 'netns', 'del', container.name);
    this.containers.splice(this.containers.indexOf(container), 1);
  }

  /** All namespaces go and come back empty, with their names; the files stay. */
  async reboot(): Promise<void> {
    const names = [this.name, ...this.containers.map(({ name }) => name)];
    for (const name of names) await output('ip', 'netns', 'del', name);
    for (const name of names) await output('ip', 'netns', 'add', name);
    await this.ip('link', 'set', 'lo', 'up');
  }

  ip(...command: string[]): Promise<string> {
    return output('ip', '-n', this.name, ...command);
  }

  /** Runs a program on it. */
  run(...command: string[]): Promise<string> {
    return output('ip', 'netns', 'exec', this.name, ...command);
  }

  async end(): Promise<void> {
    for (const { name } of this.containers) await output('ip', 'netns', 'del', name);
    await output('ip', 'netns', 'del', this.name);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** All that a plugin can leave: links, addresses, routes and files, a line each, in the host's namespace and the containers', and the host's rules and parameters. */
  async snapshot(): Promise<string[]> {
    const namespaces = [this.name, ...this.containers.map(({ name }) => name)];
    const views = await Promise.all(namespaces.map(networkOf));
    const files = [this.folder, '/var/lib/cni', '/run/cni'].flatMap(filesBelow);
    return [...views.flat(), ...files.map(file => `file ${file.replace(`${this.folder}/`, '')}`)].sort();
  }
}

/** Of `ip -j -d addr`. */
interface Interface {
  ifname: string;
  flags: string[];
  master?: string;
  addr_info: { local: string; prefixlen: number; scope: string }[];
}

async function networkOf(netns: string): Promise<string[]> {
  const inContainer = netns.includes('-');
  const [interfaces, routes, rules, parameters, legacy] = await Promise.all([
    json<Interface[]>('ip', '-n', netns, '-j', 'addr'),
    json<(Route & { table?: string })[]>('ip', '-n', netns, '-j', 'route', 'show', 'table', 'all'),
    inContainer ? [] : ruleset(netns),
    inContainer ? [] : parametersOf(netns),
    inContainer ? [] : legacyRules(netns),
  ]);
  const lines = [
    ...interfaces.map(({ ifname, flags, master }) =>
      ['link', ifname, master, flags.includes('UP') && 'up'].filter(Boolean).join(' '),
    ),
    // The kernel makes link-local ones by itself, some time after a link came up.
    ...interfaces
      .filter(({ ifname }) => ifname !== 'lo')
      .flatMap(({ ifname, addr_info }) => addr_info.map(address => ({ ifname, ...address })))
      .filter(({ scope }) => scope !== 'link')
      .map(({ ifname, local, prefixlen }) => `address ${local}/${prefixlen} ${ifname}`),
    ...routes
      .filter(({ dst, dev, table }) => table !== 'local' && !dst.startsWith('fe80:') && dev !== 'lo')
      .map(({ dst, gateway, dev }) => ['route', dst, gateway, dev].filter(Boolean).join(' ')),
    ...rules.map(ruleLine),
    ...parameters,
    ...legacy,
  ];
  return inContainer ? lines.map(line => `container ${line}`) : lines;
}

/** What goes with forwarding, which stays on, and with links themselves. */
const IN_PASSING = ['accept_dad', 'accept_ra', 'accept_redirects', 'mtu'];

/** `sysctl ipv4/conf/br0/route_localnet=1`: what an interface, or the whole host, has otherwise than a new interface would. */
async function parametersOf(netns: string): Promise<string[]> {
  // Some cannot be read as long as they are not set.
  const script = 'cd /proc/sys/net && { grep -sH . ipv4/conf/*/* ipv6/conf/*/* || [ $? = 2 ]; }';
  const values = (await output('ip', 'netns', 'exec', netns, 'sh', '-c', script)).split('\n').filter(Boolean);
  const lines = values.map(
    line => /^(ipv.\/conf)\/(.*)\/(\w+):(.*)$/.exec(line)?.slice(1) as [string, string, string, string],
  );
  const ofNew = new Map(
    lines.flatMap(([family, of, key, value]) => (of === 'default' ? [[`${family} ${key}`, value]] : [])),
  );
  const own = lines.filter(([, of, key]) => of !== 'lo' && !IN_PASSING.includes(key));
  const differing = own.filter(([family, , key, value]) => ofNew.get(`${family} ${key}`) !== value);
  return differing.map(([family, of, key, value]) => `sysctl ${family}/${of}/${key}=${value}`);
}

/** Rules in iptables' tables of old, `legacy iptables -A FORWARD -j ACCEPT`. To ask makes none. */
async function legacyRules(netns: string): Promise<string[]> {
  const programs = ['iptables', 'ip6tables'];
  const saved = await Promise.all(programs.map(name => output('ip', 'netns', 'exec', netns, `${name}-legacy-save`)));
  return saved.flatMap((text, index) => {
    const lines = text.split('\n').filter(line => /^[:-]/.test(line));
    return lines.map(line => `legacy ${programs[index]} ${line.replace(/ \[\d+:\d+\]$/, '')}`);
  });
}

/** `rule inet kukeon forward {...}`, without handles and counters. */
function ruleLine(entry: RulesetEntry): string {
  const [[sort, object] = ['', {}]] = Object.entries(entry);
  const { family, table, chain, name, handle: _, index: __, ...rest } = object;
  const details = JSON.stringify(rest, (key, value: unknown) =>
    key === 'packets' || key === 'bytes' || key === 'expires' ? undefined : value,
  );
  return [sort, family, table, chain, name, details === '{}' ? undefined : details]
    .filter(part => part !== undefined)
    .join(' ');
}
