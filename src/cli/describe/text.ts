/** A description for people: what it is, how it is, what it has, what is in it, and what was done to it. */
import { scopeField } from '../../kernel/kinds.ts';
import { nameOf } from '../../kernel/resource.ts';
import { printable } from '../output/printable.ts';
import { alignColumns } from '../output/table.ts';
import { count, shortBytes } from '../top/figures.ts';
import { containerLines } from './containers.ts';
import type { Description } from './gather.ts';
import { cpuTime, limitLines, type Pair, pairLines, section, stateText, yamlLines } from './lines.ts';
import { operationRows } from './operations.ts';

export function descriptionText(description: Description, now: Date): string {
  const { resource, kind, above, images = [], operations, unknown } = description;
  const { metadata, spec, status = {} } = resource.manifest;
  const own = new Set(['id', 'containers', 'resources', ...above.map(([one]) => scopeField(one))]);
  const rest = Object.fromEntries(Object.entries(spec).filter(([field]) => !own.has(field)));
  const sections = [
    pairLines([
      ['Name', metadata.name],
      ['Kind', kind.kind],
      ...above,
      ['Labels', mapText(metadata.labels)],
      ['Annotations', mapText(metadata.annotations)],
      ['File', description.file ?? ''],
      ['State', stateText(status)],
      ['Observed', String(status.observedAt ?? '')],
    ]),
    section('Spec', yamlLines(rest)),
    section('Network', networkLines(status)),
    section('Cgroup', pairLines(cgroupPairs(description))),
    section('Limits', limitLines(status.resources)),
    section(resource.ref.kind === 'Container' ? 'Container' : 'Containers', containerLines(resource)),
    section(childrenTitle(description), childLines(description)),
    section('Images', images.length === 0 ? '' : alignColumns(imageRows(images))),
    section('Recent operations', operations.length === 0 ? 'none' : alignColumns(operationRows(operations, now))),
    section('Not known', unknown.join('\n')),
  ];
  return sections
    .filter(text => text !== '')
    .map(printable)
    .join('\n');
}

function mapText(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n');
}

interface Attachment {
  network: string;
  interface: string;
  addresses: string[];
  gateway?: string;
  ports?: string[];
}

/** Of a cell where it is attached, of a space what it defines. */
function networkLines({ attachments, network }: Record<string, unknown>): string {
  if (typeof network === 'object' && network !== null) return yamlLines(network);
  if (!Array.isArray(attachments) || attachments.length === 0) return '';
  const rows = (attachments as Attachment[]).map(one => [
    one.network,
    one.interface,
    one.addresses.join(','),
    one.gateway ?? '-',
    one.ports?.join(',') || '-',
  ]);
  return alignColumns([['NETWORK', 'INTERFACE', 'ADDRESS', 'GATEWAY', 'PORTS'], ...rows]);
}

function cgroupPairs({ resource, usage }: Description): Pair[] {
  const { cgroupPath } = resource.manifest.status ?? {};
  const { memory, pids, cpuUsec, io } = usage ?? {};
  const limit = memory?.limit === undefined ? '' : ` of ${shortBytes(memory.limit)}`;
  return [
    ['Path', typeof cgroupPath === 'string' ? cgroupPath : ''],
    ['Memory', memory === undefined ? '' : `${shortBytes(memory.current)}${limit}`],
    ['CPU time', cpuTime(cpuUsec)],
    ['Processes', pids === undefined ? '' : count(pids)],
    ['Read, written', io === undefined ? '' : `${shortBytes(io.readBytes)}, ${shortBytes(io.writeBytes)}`],
  ];
}

/** `Stacks`; nothing where nothing is in it. */
function childrenTitle({ children, resource }: Description): string {
  const [first] = children;
  return first === undefined ? `In ${nameOf(resource.ref)}` : `${first.ref.kind}s`;
}

function childLines({ children }: Description): string {
  if (children.length === 0) return '';
  const rows = children.map(({ ref, manifest }) => {
    const { state, reason } = manifest.status ?? {};
    return [nameOf(ref), String(state ?? ''), String(reason ?? '')];
  });
  return alignColumns([['NAME', 'STATE', 'REASON'], ...rows]);
}

function imageRows(images: NonNullable<Description['images']>): string[][] {
  const rows = images.map(({ name, digest, size }) => [name, digest.slice(7, 19), shortBytes(size)]);
  return [['NAME', 'DIGEST', 'SIZE'], ...rows];
}
