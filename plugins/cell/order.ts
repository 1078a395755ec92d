/** In which order the containers of a cell are started, and in reverse stopped (docs/supervision.md). */
import { dependencies, inWaves } from 'kuke/plugin';
import { type CellSpec, type ContainerSpec, rootOf } from './schema.ts';

/** The root, then each after those it depends on. */
export function startOrder(spec: CellSpec): ContainerSpec[] {
  const root = rootOf(spec);
  const others = spec.containers.filter(one => one.id !== root?.id);
  const waves = inWaves(
    others,
    one => one.id,
    one => dependencies(one.dependsOn).map(({ id }) => id),
  );
  return [...(root === undefined ? [] : [root]), ...waves.flat()];
}

/** Those that depend on it directly. */
export const dependantsOf = ({ containers }: CellSpec, id: string): ContainerSpec[] =>
  containers.filter(one => dependencies(one.dependsOn).some(other => other.id === id));
