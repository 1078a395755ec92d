/** What a container says, and what it takes from its space where it says nothing (spec.md §3): planned, hashed and shown from here. */
import {
  type AskedOfGroup,
  describe,
  type ElementDefaults,
  mountTarget,
  type ObserveContext,
  type ResourceOf,
  type ResourceRef,
} from 'kuke/plugin';
import { type Cell, containerCgroup } from './layout.ts';
import type { ContainerSpec, ContainerStatus } from './schema.ts';

type Space = ResourceOf<'Space'>;
type Defaults = NonNullable<NonNullable<Space['spec']['defaults']>['container']>;

/** A cell with what its space gives to its containers. */
export interface EffectiveCell extends Cell {
  /** By id: the fields that a container took from its space. */
  inherited: ReadonlyMap<string, (keyof Defaults)[]>;
  space: ResourceRef;
}

/** Undefined: nobody can say what its space gives, for that one is not known. */
export function effectiveCell({ tree }: Pick<ObserveContext, 'tree'>, cell: Cell): EffectiveCell | undefined {
  const space = tree.find(spaceOf(cell)) as Space | undefined;
  if (space === undefined) return undefined;
  const defaults = space.spec.defaults?.container ?? {};
  const inherited = new Map<string, (keyof Defaults)[]>();
  const withDefaults = (said: ContainerSpec): ContainerSpec => {
    const taken = (Object.keys(defaults) as (keyof Defaults)[]).filter(field => said[field] === undefined);
    inherited.set(said.id, taken);
    return inheriting(said, defaults);
  };
  const { containers, initContainers } = cell.spec;
  const spec = {
    ...cell.spec,
    ...(initContainers && { initContainers: initContainers.map(withDefaults) }),
    containers: containers.map(withDefaults),
  };
  return { ...cell, spec, inherited, space: space.ref };
}

/** What its containers have where they say nothing. */
export function containerDefaults(tree: ObserveContext['tree'], cell: Cell): ElementDefaults | undefined {
  const space = tree.find(spaceOf(cell)) as Space | undefined;
  const fields = space?.spec.defaults?.container;
  return space && fields && { fields, from: space.ref };
}

/** For what is to be seen of a cell whose space is not known: what its containers say themselves. */
export const uninheriting = (cell: Cell): EffectiveCell => ({ ...cell, inherited: new Map(), space: spaceOf(cell) });

const spaceOf = ({ ref }: Cell): ResourceRef => ({ kind: 'Space', path: ref.path.slice(0, 2) });

/** A field of its own replaces the default whole; what it mounts itself goes before a default at the same place. */
function inheriting(said: ContainerSpec, { tmpfs, ...defaults }: Defaults): ContainerSpec {
  const own = new Set((said.volumes ?? []).map(({ target }) => mountTarget(target)));
  const free = tmpfs?.filter(({ path }) => !own.has(mountTarget(path)));
  return { ...defaults, ...(free && { tmpfs: free }), ...said };
}

/** The limits of a container, and where they are said. */
export function askedOfContainer(cell: EffectiveCell, container: ContainerSpec): AskedOfGroup {
  const { id: name, resources } = container;
  const group = { path: containerCgroup(cell, container), name, resources };
  if (isInherited(cell, container, 'resources'))
    return { ...group, field: 'spec.defaults.container.resources', by: cell.space };
  // As changes of a manifest are told: by the id.
  const list = cell.spec.containers.some(({ id }) => id === name) ? 'containers' : 'initContainers';
  return { ...group, field: `spec.${list}[${name}].resources` };
}

const isInherited = (cell: EffectiveCell, { id }: ContainerSpec, field: keyof Defaults): boolean =>
  cell.inherited.get(id)?.includes(field) === true;

/** For its status; resources stand there by themselves. */
export function inheritedFields(cell: EffectiveCell, container: ContainerSpec): ContainerStatus['defaults'] {
  const fields = (cell.inherited.get(container.id) ?? []).filter(field => field !== 'resources');
  const from = describe(cell.space);
  return fields.length === 0
    ? undefined
    : Object.fromEntries(fields.map(field => [field, { value: container[field], from }]));
}
