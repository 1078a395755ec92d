/**
 * The whole of what kuke has on a host, what stands in files and objects included, with all that differs from one undisturbed run to the
 * next (pids, times, ids, addresses) replaced by a word. `difference()` of the inventory compares two of them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { comparable } from '../kuke-faults/killer.ts';
import { containers, ctr, namespaces } from '../observe/containerd.ts';
import type { Inventory } from '../observe/inventory.ts';
import { addresses, links, networkNamespaces, routes } from '../observe/network.ts';
import { cgroups, filesBelow } from '../observe/system.ts';

/** Folders whose files are read, and not only listed. */
const READ = ['/opt/kukeon', '/etc/cni/net.d', '/var/lib/cni', '/run/kukeon'];
/** Of them: what is new each time, or tells nothing. */
const UNREAD = /\/(last_reserved_ip\.\d+|lock|instance|group|events\.jsonl)$|\/plugins\/|\/containerd\/|\/\.by-id\//;
const KNOBS = ['cgroup.subtree_control', 'cgroup.freeze', 'cgroup.events', 'hugetlb.2MB.max'];

export async function hostState(): Promise<Inventory> {
  const names = await namespaces();
  const parts = await Promise.all([
    comparable(),
    ...names.map(containersOf),
    ...names.map(ingestsOf),
    ...(await networkNamespaces()).map(inside),
  ]);
  return [...parts.flat(), ...READ.flatMap(filesBelow).flatMap(contentOf), ...cgroups().flatMap(knobsOf)]
    .map(normal)
    .sort();
}

async function containersOf(namespace: string): Promise<string[]> {
  const ids = await containers(namespace);
  return Promise.all(
    ids.map(async id => {
      const { CreatedAt: _, UpdatedAt: __, ...rest } = JSON.parse(await ctr(namespace, ['containers', 'info', id]));
      return `container ${namespace} ${id} is ${JSON.stringify(rest)}`;
    }),
  );
}

/** Uploads that were begun and not ended. */
async function ingestsOf(namespace: string): Promise<string[]> {
  const [, ...rows] = (await ctr(namespace, ['content', 'active'])).trim().split('\n');
  return rows.map(row => `ingest ${namespace} ${row.split(/\s+/)[0]}`);
}

async function inside(netns: string): Promise<string[]> {
  const [allLinks, allAddresses, allRoutes] = await Promise.all([links(netns), addresses(netns), routes(netns)]);
  return [
    ...allLinks.map(({ ifname, operstate }) => `in ${netns} link ${ifname} ${operstate}`),
    ...allAddresses
      .filter(({ scope }) => scope !== 'link')
      .map(({ ifname, local, prefixlen }) => `in ${netns} address ${local}/${prefixlen} ${ifname}`),
    ...allRoutes
      .filter(({ dst }) => !dst.startsWith('fe80:'))
      .map(({ dst, gateway, dev }) => `in ${netns} route ${dst} ${gateway ?? ''} ${dev ?? ''}`),
  ];
}

function contentOf(path: string): string[] {
  if (path.endsWith('/') || UNREAD.test(path)) return [];
  return [`content of ${path}: ${JSON.stringify(normal(readFileSync(path, 'utf8')))}`];
}

function knobsOf(path: string): string[] {
  const files = KNOBS.map(knob => `/sys/fs/cgroup/${path}/${knob}`).filter(existsSync);
  return files.map(file => `${file} = ${readFileSync(file, 'utf8').trim().replaceAll('\n', ', ')}`);
}

/** Addresses of both families, MACs, pids, times, ids, ends. */
function normal(line: string): string {
  return (
    line
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'INSTANCE')
      .replace(/\b[0-9a-f]{12}-[0-9a-f]{8}\b/g, 'ATTACHMENT')
      .replace(/\b10\.88\.(?!0\.[01]\b)\d+\.\d+\b/g, 'ADDRESS')
      // What is attached anew asks for what it had.
      .replace(/,"ips":\["ADDRESS\/16"\]/g, '')
      .replace(/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, 'MAC')
      .replace(/\bveth([0-9a-f]{8}|[0-9a-f]{11})\b/g, 'VETH')
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, 'TIME')
      .replace(/\b(pid: )\d+/g, '$1PID')
      // How containers have ended before is of another life.
      .replace(/^( *)lastTermination:\n(\1 +.*\n)+/gm, '')
      .replace(/(\/run\/kukeon\/\w+\.lock: ").*"/, '$1"')
  );
}
