/** Cell: a network namespace with one address a space, a cgroup, and the containers that share them (spec.md §1). */
import { defineKind, definePlugin, type KindDefinition, type PluginKernel, type Resource } from 'kuke/plugin';
import type * as v from 'valibot';
import { awaiting, awaitingCell, cellsBefore } from './await-steps.ts';
import { cellClaims } from './claims.ts';
import { containerDefaults } from './effective.ts';
import { writeHosts } from './etc-files.ts';
import { limitedGroups } from './limit-steps.ts';
import { joinedSpaces, planMend } from './network-steps.ts';
import { planCell, planDelete, planSettle } from './plan.ts';
import { CELL_STATES, type CellSpec, type CellStatus, type ContainerSpec, cellFaults, cellSchema } from './schema.ts';
import { cellStatus, isUnwell } from './status.ts';
import { noteMembers, superviseCell } from './supervised.ts';

declare module 'kuke/plugin' {
  interface KukeKinds {
    Cell: KindDefinition<CellSpec, CellStatus>;
  }
}

const statusOf = ({ manifest }: Resource): Partial<CellStatus> => manifest.status ?? {};

const cell = (kernel: PluginKernel) =>
  defineKind<CellSpec, CellStatus>({
    kind: 'Cell',
    plural: 'cells',
    aliases: ['ce'],
    parent: 'Stack',
    description: 'a pod: containers that share one network namespace and one address',
    spec: cellSchema(kernel.schema('Container') as v.GenericSchema<unknown, ContainerSpec>),
    states: CELL_STATES,
    columns: [
      { header: 'STATE', value: resource => statusOf(resource).state ?? 'Pending' },
      { header: 'READY', value: readyColumn },
      { header: 'RESTARTS', value: resource => String(restartsOf(resource)) },
      { header: 'ADDRESS', value: resource => addressesOf(resource)[0] ?? '' },
      { header: 'PORTS', wide: true, value: resource => portsOf(resource).join(',') },
      { header: 'REASON', wide: true, value: resource => statusOf(resource).reason ?? '' },
      { header: 'ADDRESSES', wide: true, value: resource => addressesOf(resource).join(',') },
      { header: 'CGROUP', wide: true, value: resource => statusOf(resource).cgroupPath ?? '' },
    ],
    validate: cellFaults,
    references: joinedSpaces,
    precedence: cellsBefore,
    elementDefaults: containerDefaults,
    limits: limitedGroups,
    lifecycle: {
      concurrent: true,
      plan: (context, desired) => planCell(kernel, context, desired),
      planDelete: (context, resource) => planDelete(kernel, context, resource),
      planSettle: (context, resource) => planSettle(kernel, context, resource),
      observe: (context, resource) => cellStatus(kernel, context, resource),
      claims: (context, resource) => cellClaims(kernel, context, resource),
      supervision: {
        look: (context, resource) => superviseCell(kernel, context, resource),
        note: noteMembers,
        planMend: (context, resource) => planMend(kernel, context, resource),
      },
    },
  });

/** `2/3`: how many of the containers run; `?/3` where that is not known. */
function readyColumn(resource: Resource): string {
  const containers = statusOf(resource).containers ?? [];
  const ready = containers.filter(one => one.state === 'Running' && !isUnwell(one)).length;
  return `${containers.some(one => one.state === 'Unknown') ? '?' : ready}/${containers.length}`;
}

/** Of all of its containers. */
const restartsOf = (resource: Resource): number =>
  (statusOf(resource).containers ?? []).reduce((sum, { restarts }) => sum + restarts, 0);

function addressesOf(resource: Resource): string[] {
  const attachments = statusOf(resource).attachments ?? [];
  return attachments.flatMap(one => one.addresses.map(address => address.split('/')[0] ?? ''));
}

function portsOf(resource: Resource): string[] {
  return (statusOf(resource).attachments ?? []).flatMap(one => one.ports ?? []);
}

export default definePlugin({
  name: 'cell',
  version: '0.1.0',
  requires: ['kind:Stack', 'kind:Container', 'backend:network', 'backend:runtime', 'backend:images'],
  provides: { kinds: ['Cell'], operations: ['cell.writeHosts', 'cell.await', 'cell.awaitCell'] },
  setup(kernel) {
    kernel.kind(cell(kernel));
    kernel.operation(writeHosts(kernel));
    kernel.operation(awaiting(kernel));
    kernel.operation(awaitingCell(kernel));
  },
});
