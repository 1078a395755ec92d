/** `kuke get --resources`: the limits of all levels in one table, each before what is in it. */
import type { KindDefinition, Resource } from '../../kernel/kinds.ts';
import { readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { Selector } from '../../kernel/selector.ts';
import { limitColumns } from '../limits/columns.ts';
import { warn } from '../output/failure.ts';
import { printable } from '../output/printable.ts';
import { printRows } from '../output/resources.ts';
import { tell } from '../output/terminal.ts';
import { SCOPES } from '../scope.ts';
import { placesOf } from '../top/places.ts';
import { selectResources } from './select.ts';

/** `flags`: those of the scope keep to what is there, and below; `no-headers`. */
export async function printAllLevels(
  kernel: Kernel,
  flags: Record<string, unknown>,
  selector: Selector,
  wide: boolean,
): Promise<void> {
  const tree = await readTree(kernel);
  const found: Resource[] = [];
  for (const kind of kernel.kinds.all().filter(one => isLimited(kernel, one)))
    found.push(...(await selectResources(kernel, tree, { kind, all: true, selector, flags: {} })));
  const isWanted = ({ ref: { path } }: Resource) =>
    SCOPES.every((flag, depth) => flags[flag] === undefined || isSame(flags[flag], path[depth]));
  const rows = found.filter(isWanted).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  for (const problem of tree.problems) warn(`${problem.path}: ${problem.message}`);
  if (rows.length === 0) {
    // Whose name was mistyped is told which there are.
    placesOf(kernel, tree, 'cell', Object.fromEntries(SCOPES.map(flag => [flag, flags[flag]])));
    return tell('nothing here has limits');
  }
  const columns = (await limitColumns(kernel)).filter(column => wide || !column.wide);
  const header = ['KIND', 'NAME', ...columns.map(column => column.header)];
  printRows([
    ...(flags['no-headers'] === true ? [] : [header]),
    ...rows.map(one => [
      one.ref.kind.toLowerCase(),
      one.ref.path.join('/'),
      ...columns.map(column => printable(column.value(one))),
    ]),
  ]);
}

/** A plugin's kind may have no cgroup. */
const isLimited = (kernel: Kernel, { embedded, parent, limits }: KindDefinition): boolean =>
  (embedded === undefined ? limits : kernel.kinds.get(parent ?? '').limits) !== undefined;

const keyOf = ({ ref }: Resource): string => ref.path.join('\0').toLowerCase();

const isSame = (given: unknown, name: string | undefined): boolean =>
  typeof given === 'string' && given.toLowerCase() === name?.toLowerCase();
