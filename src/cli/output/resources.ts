/** Resources for people (tables) and for scripts (yaml, json, names, templates); spec.md §7. */
import { formatDocument } from '../../kernel/documents.ts';
import type { Column, KindDefinition, Resource } from '../../kernel/kinds.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { API_VERSION, nameOf } from '../../kernel/resource.ts';
import type { OutputFormat } from '../get/output-format.ts';
import { printable } from './printable.ts';
import { print, write } from './standard-output.ts';
import { alignColumns } from './table.ts';
import { colour, isTerminal, tell } from './terminal.ts';

export interface Shown {
  /** One resource was asked for by name. */
  one: boolean;
  /** From everywhere: where each one is becomes part of the table. */
  all: boolean;
  /** Without the line of headers. */
  headless?: boolean;
  /** In place of the kind's own. */
  columns?: Column[];
  /** Why there are none. */
  missing?: string;
}

export async function printResources(
  kernel: Kernel,
  kind: KindDefinition,
  resources: Resource[],
  output: OutputFormat,
  shown: Shown,
): Promise<void> {
  if (output.format === 'name') for (const resource of resources) print(nameLine(resource));
  else if (output.format === 'table') printTable(kernel, kind, resources, output, shown);
  else {
    const [first] = resources;
    const isOne = shown.one && first !== undefined && resources.length === 1;
    const items = resources.map(({ manifest }) => manifest);
    await printDocument(isOne ? first.manifest : { apiVersion: API_VERSION, kind: 'List', items }, output);
  }
}

/** For formats that show a whole document. */
export async function printDocument(
  value: object,
  output: Exclude<OutputFormat, { format: 'table' | 'name' }>,
): Promise<void> {
  if (output.format === 'yaml') print(formatDocument(value));
  else if (output.format === 'json') print(formatJson(value));
  else {
    const { renderTemplate } = await import('../get/jsonpath/evaluate.ts');
    const text = renderTemplate(output.template, value);
    // As it is, for scripts: a template says itself where lines end. A person's prompt is not to stand behind it.
    if (!isTerminal(1)) write(text);
    else print(printable(text.replace(/\n$/, '')));
  }
}

export const nameLine = ({ ref }: Resource): string => `${ref.kind.toLowerCase()}/${nameOf(ref)}`;

/** Control characters that JSON lets stand, and terminals act on, are escaped as well. */
export function formatJson(value: unknown): string {
  const escaped = (character: string) => `\\u00${character.charCodeAt(0).toString(16)}`;
  return JSON.stringify(value, null, 2).replace(/[\u007f-\u009f]/g, escaped);
}

export interface Table {
  header: string[];
  row(resource: Resource): string[];
}

export function tableOf(
  kernel: Kernel,
  kind: KindDefinition,
  { wide, columns: own }: { wide: boolean; columns?: Column[] },
  { all, columns: given = kind.columns }: Shown,
): Table {
  if (own !== undefined) {
    return {
      header: own.map(({ header }) => header),
      row: resource => own.map(column => printable(column.value(resource))),
    };
  }
  // Containers of several cells need their cell's name to be told apart.
  const scopes = kernel.kinds.above(kind.kind).map(parent => parent.kind);
  const shownScopes = all ? scopes : kind.embedded ? scopes.slice(-1) : [];
  const columns = given.filter(column => wide || !column.wide);
  return {
    header: [...shownScopes.map(scope => scope.toUpperCase()), 'NAME', ...columns.map(column => column.header)],
    row: resource => [
      ...shownScopes.map(scope => resource.ref.path[scopes.indexOf(scope)] ?? ''),
      nameOf(resource.ref),
      ...columns.map(column => printable(column.value(resource))),
    ],
  };
}

function printTable(
  kernel: Kernel,
  kind: KindDefinition,
  resources: Resource[],
  output: { wide: boolean; columns?: Column[] },
  shown: Shown,
): void {
  const { header, row } = tableOf(kernel, kind, output, shown);
  if (resources.length === 0) tellNone(kernel, kind, shown);
  else printRows([...(shown.headless ? [] : [header]), ...resources.map(row)]);
}

export function tellNone(
  kernel: Kernel,
  kind: KindDefinition,
  { all, missing = '-A shows those of all scopes' }: Shown,
): void {
  const isScoped = kernel.kinds.above(kind.kind).length > 0;
  tell(`no ${kind.plural}${all || !isScoped ? '' : ` here; ${missing}`}`);
}

/** `widths`: as for `alignColumns`. */
export function printRows(rows: readonly (readonly string[])[], widths: number[] = []): void {
  print(alignColumns(rows, widths).split('\n').map(colourState).join('\n'));
}

const states = { Ready: 'green', Running: 'green', Failed: 'red', Degraded: 'yellow', Unknown: 'yellow' } as const;

/** After alignment, for colours have no width. */
export function colourState(line: string): string {
  return line.replace(/(?<=\s)(Ready|Running|Failed|Degraded|Unknown)(?=\s|$)/, state =>
    colour(states[state as keyof typeof states], state),
  );
}
