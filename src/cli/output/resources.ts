/** Resources for people (tables) and for scripts (yaml, json, names); spec.md §7. */
import { formatDocument } from '../../kernel/documents.ts';
import type { Column, KindDefinition, Resource } from '../../kernel/kinds.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { API_VERSION, nameOf } from '../../kernel/resource.ts';
import { printable } from './printable.ts';
import { print } from './standard-output.ts';
import { alignColumns } from './table.ts';
import { colour, tell } from './terminal.ts';

export const FORMATS = ['table', 'wide', 'yaml', 'json', 'name'] as const;
export type Format = (typeof FORMATS)[number];

export interface Shown {
  /** One resource was asked for by name. */
  one: boolean;
  /** From everywhere: where each one is becomes part of the table. */
  all: boolean;
  /** In place of the kind's own. */
  columns?: Column[];
}

export function printResources(
  kernel: Kernel,
  kind: KindDefinition,
  resources: Resource[],
  format: Format,
  shown: Shown,
): void {
  if (format === 'name') {
    for (const { ref } of resources) print(`${kind.kind.toLowerCase()}/${nameOf(ref)}`);
  } else if (format === 'yaml' || format === 'json') {
    const [first] = resources;
    const value =
      shown.one && first && resources.length === 1
        ? first.manifest
        : { apiVersion: API_VERSION, kind: 'List', items: resources.map(({ manifest }) => manifest) };
    print(format === 'json' ? formatJson(value) : formatDocument(value));
  } else {
    printTable(kernel, kind, resources, format === 'wide', shown);
  }
}

/** Control characters that JSON lets stand, and terminals act on, are escaped as well. */
function formatJson(value: unknown): string {
  const escaped = (character: string) => `\\u00${character.charCodeAt(0).toString(16)}`;
  return JSON.stringify(value, null, 2).replace(/[\u007f-\u009f]/g, escaped);
}

function printTable(
  kernel: Kernel,
  kind: KindDefinition,
  resources: Resource[],
  wide: boolean,
  { all, columns: given = kind.columns }: Shown,
): void {
  if (resources.length === 0) {
    const isScoped = kernel.kinds.above(kind.kind).length > 0;
    tell(`no ${kind.plural}${all || !isScoped ? '' : ' here; -A shows those of all scopes'}`);
    return;
  }
  // Containers of several cells need their cell's name to be told apart.
  const scopes = kernel.kinds.above(kind.kind).map(parent => parent.kind);
  const shownScopes = all ? scopes : kind.embedded ? scopes.slice(-1) : [];
  const columns = given.filter(column => wide || !column.wide);
  const header = [...shownScopes.map(scope => scope.toUpperCase()), 'NAME', ...columns.map(column => column.header)];
  const rows = resources.map(resource => [
    ...shownScopes.map(scope => resource.ref.path[scopes.indexOf(scope)] ?? ''),
    nameOf(resource.ref),
    ...columns.map(column => printable(column.value(resource))),
  ]);
  const [top = '', ...lines] = alignColumns([header, ...rows]).split('\n');
  print([top, ...lines.map(colourState)].join('\n'));
}

const states = { Ready: 'green', Running: 'green', Failed: 'red', Degraded: 'yellow', Unknown: 'yellow' } as const;

/** After alignment, for colours have no width. */
function colourState(line: string): string {
  return line.replace(/(?<=\s)(Ready|Running|Failed|Degraded|Unknown)(?=\s|$)/, state =>
    colour(states[state as keyof typeof states], state),
  );
}
