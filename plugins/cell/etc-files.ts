/** The managed /etc/hostname, /etc/hosts and /etc/resolv.conf that all containers of a cell share (spec.md §2, §4). */
import { existsSync, readFileSync } from 'node:fs';
import {
  type Added,
  type Attachment,
  defineOperation,
  nameOf,
  type PlanContext,
  type PluginKernel,
  type Ref,
  type StoredFile,
} from 'kuke/plugin';
import { type Cell, etcFile } from './layout.ts';
import { rootOf } from './schema.ts';

export interface HostsParams {
  /** Below `<run path>/.kuke`. */
  path: string;
  /** The cell's name and aliases. */
  names: string[];
  /** Of the attachments, with prefix length; empty on the host's network. */
  addresses: string[][];
}

declare module 'kuke/plugin' {
  interface KukeOperations {
    /** Writes the cell's hosts file once its addresses are known. */
    'cell.writeHosts': { params: HostsParams; result: void };
  }
}

const localhost = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback'];

export function hostsContent({ names, addresses }: Pick<HostsParams, 'names' | 'addresses'>): string {
  const own = addresses.flat().map(address => `${address.split('/')[0]}\t${names.join(' ')}`);
  return `${[...localhost, ...(own.length > 0 ? own : [`127.0.1.1\t${names.join(' ')}`])].join('\n')}\n`;
}

export const writeHosts = (kernel: PluginKernel) =>
  defineOperation({
    type: 'cell.writeHosts',
    apply: async (params, context) => {
      const file: StoredFile = { path: params.path, content: hostsContent(params), inPlace: true };
      await (await kernel.use('store')).writeFile(file, context);
    },
    look: async ({ path }) => (await kernel.use('store')).readFile(path),
    async revert({ path }, found, context) {
      const store = await kernel.use('store');
      if (typeof found === 'string') await store.writeFile({ path, content: found, inPlace: true }, context);
      else await store.removeFile({ path }, context);
    },
    explain: async params => {
      const store = await kernel.use('store');
      return store.explain('writeFile', { path: params.path, content: hostsContent(params), inPlace: true });
    },
  });

const RESOLV = '/etc/resolv.conf';
const UPSTREAM = '/run/systemd/resolve/resolv.conf';

/** The host's, where a loopback resolver (systemd's stub) is replaced by those it forwards to: a cell cannot reach it. */
export function resolvContent(read: (path: string) => string | undefined = readText): string {
  const own = read(RESOLV) ?? '';
  const text = hasLoopbackResolver(own) ? (read(UPSTREAM) ?? own) : own;
  const kept = text
    .split('\n')
    .filter(line => line.trim() !== '' && !/^\s*[#;]/.test(line) && !hasLoopbackResolver(line));
  return `${kept.join('\n')}\n`;
}

function hasLoopbackResolver(text: string): boolean {
  return /^\s*nameserver\s+(127\.|::1\b)/m.test(text);
}

function readText(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** The cell's name and what its containers are called by others. */
function namesOf(cell: Cell): string[] {
  return [...new Set([nameOf(cell.ref), ...cell.spec.containers.flatMap(one => one.networksAliases ?? [])])];
}

/** The managed files, in every container of the cell. What a container writes into them stays in the cell. */
export async function etcMounts(kernel: PluginKernel, cell: Cell) {
  const store = await kernel.use('store');
  return (['hostname', 'hosts', 'resolv.conf'] as const).map(name => ({
    kind: 'bind' as const,
    source: store.filePath(etcFile(cell.ref, name)),
    target: `/etc/${name}`,
    later: true as const,
  }));
}

export interface PlannedEtcFiles {
  /** All of the files are there after these, to be mounted. */
  there: Added<unknown>[];
  /** And say what they should after these, too. */
  ready: Added<unknown>[];
}

/** Adds the steps that write what differs. `addresses`: known ones, or references to what attaching will give. */
export async function planEtcFiles(
  kernel: PluginKernel,
  context: PlanContext,
  cell: Cell,
  addresses: (string[] | Ref<Attachment['addresses']>)[],
): Promise<PlannedEtcFiles> {
  const store = await kernel.use('store');
  const added: Added<unknown>[] = [];
  // On the host's network names are what they are on the host: copies of its files, which a container must not be able to change.
  const hostNetwork = rootOf(cell.spec)?.hostNetwork === true;
  const fixed = [
    ['hostname', `${nameOf(cell.ref)}\n`],
    ['resolv.conf', hostNetwork ? (readText(RESOLV) ?? '') : resolvContent()],
    ...(hostNetwork
      ? [['hosts', `${(readText('/etc/hosts') ?? '').trimEnd()}\n127.0.1.1\t${namesOf(cell).join(' ')}\n`] as const]
      : []),
  ] as const;
  for (const [name, content] of fixed) {
    const path = etcFile(cell.ref, name);
    if ((await store.readFile(path)) !== content)
      added.push(context.plan.add(cell.ref, 'store.writeFile', { path, content, inPlace: true }));
  }
  if (hostNetwork) return { there: added, ready: added };
  const path = etcFile(cell.ref, 'hosts');
  const names = namesOf(cell);
  const known = addresses.every(Array.isArray)
    ? hostsContent({ names, addresses: addresses as string[][] })
    : undefined;
  const present = await store.readFile(path);
  if (known !== undefined && present === known) return { there: added, ready: added };
  if (present === undefined) {
    const content = hostsContent({ names, addresses: [] });
    added.push(context.plan.add(cell.ref, 'store.writeFile', { path, content, inPlace: true }));
  }
  const written = context.plan.add(cell.ref, 'cell.writeHosts', { path, names, addresses }, added.slice(-1));
  return { there: added, ready: [...added, written] };
}
