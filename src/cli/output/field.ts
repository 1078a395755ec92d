/** What `kuke explain` says of a field: text for people. */
import type { Field } from '../../kernel/fields.ts';
import { currentConsole } from '../console/console.ts';
import { alignColumns } from './table.ts';
import { colour, isTerminal } from './terminal.ts';

export interface Explained {
  /** `Cell (ce)` */
  kind: string;
  /** `spec.containers`; empty: the kind itself. */
  path: string;
  description: string;
  /** Absent: the kind itself. */
  field?: Field;
  fields: Field[];
}

export const CHANGES = { 'in-place': 'in place', recreate: 'made anew', immutable: 'not possible' } as const;

export function explainedText({ kind, path, description, field, fields }: Explained, recursive: boolean): string {
  const { required = false, change = 'in-place', default: given, values, pending } = field ?? {};
  const head = [
    ['KIND', kind],
    ...(field ? [['FIELD', `${path} ${typeText(field)}`]] : []),
    ...(required ? [['REQUIRED', 'yes']] : []),
    ...(given === undefined ? [] : [['DEFAULT', valueText(given)]]),
    ...(values ? [['VALUES', values.join(', ')]] : []),
    ...(field && pending === undefined ? [['CHANGE', CHANGES[change]]] : []),
  ];
  const below = recursive ? treeLines(fields, '  ') : fields.flatMap(fieldLines);
  return [
    alignColumns(head.map(([name = '', value = '']) => [colour('bold', name), value])),
    '',
    wrapped(description, ''),
    ...(below.length > 0 ? ['', colour('bold', 'FIELDS'), ...below] : []),
  ].join('\n');
}

const typeText = ({ type }: Field): string => `<${type}>`;

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function headLine(field: Field, indent: string): string {
  const { name, required, pending, default: given, values, change } = field;
  const notes = [
    ...(required ? ['required'] : []),
    ...(given === undefined ? [] : [`default ${valueText(given)}`]),
    ...(values && values.length > 1 ? [values.join('|')] : []),
    ...(pending !== undefined ? ['not yet'] : change === 'in-place' ? [] : [`change: ${CHANGES[change]}`]),
  ];
  const said = notes.length === 0 ? '' : ` ${colour('dim', notes.join(', '))}`;
  return `${indent}${colour('bold', name)} ${typeText(field)}${said}`;
}

function fieldLines(field: Field): string[] {
  return [headLine(field, '  '), wrapped(field.description, '      ')];
}

function treeLines(fields: readonly Field[], indent: string): string[] {
  return fields.flatMap(field => [headLine(field, indent), ...treeLines(field.fields, `${indent}  `)]);
}

/** At the width of a terminal; elsewhere as it is. */
function wrapped(text: string, indent: string): string {
  const columns = isTerminal(1) ? currentConsole().size(1).columns : Number.POSITIVE_INFINITY;
  const lines = Number.isFinite(columns) ? Bun.wrapAnsi(text, Math.max(columns - indent.length, 20)) : text;
  return lines
    .split('\n')
    .map(line => `${indent}${line}`)
    .join('\n');
}
