/** docs/reference/manifests.md, from the schemas of the kinds. */
import { CHANGES } from '../../src/cli/output/field.ts';
import { type Field, fieldsOfKind } from '../../src/kernel/fields.ts';
import type { KindDefinition, KindRegistry } from '../../src/kernel/kinds.ts';
import { cell, page } from './page.ts';

/** The same at every level: it has a table of its own. */
const SHARED = 'resources';

export function manifestsPage(kinds: KindRegistry): string {
  const all = kinds.all();
  const shared = all.flatMap(kind => specOf(kinds, kind)).find(({ name }) => name === SHARED);
  return page('Manifests: every field', [
    'What each means beside the others is told in [manifests.md](../manifests.md); `kuke explain cell.spec.containers` shows the same in a terminal.',
    'A change is made *in place*, or what it is about is *made anew*, or it is *not possible*: then delete the resource, and create it again.',
    '## Every kind',
    table(
      fieldsOfKind(kinds, all[0] as KindDefinition).filter(({ name }) => name !== 'spec'),
      '',
    ),
    ...all.flatMap(kind => [
      `## ${kind.kind} (${[kind.plural, ...kind.aliases].join(', ')})`,
      `${kind.description.charAt(0).toUpperCase()}${kind.description.slice(1)}${kind.embedded ? `: an element of \`spec.${kind.plural}\` of a ${kind.parent}` : ''}.`,
      table(specOf(kinds, kind), kind.embedded ? '' : 'spec.'),
    ]),
    '## resources',
    'Of every kind, with the same fields at every level; [resources.md](../resources.md) is about living with them.',
    table(shared?.fields ?? [], 'resources.'),
  ]);
}

function specOf(kinds: KindRegistry, kind: KindDefinition): Field[] {
  const fields = fieldsOfKind(kinds, kind);
  return kind.embedded ? fields : (fields.find(({ name }) => name === 'spec')?.fields ?? []);
}

function table(fields: readonly Field[], prefix: string): string {
  const rows = fields.flatMap(field => rowsOf(field, prefix));
  return ['| field | type | | change |', '|---|---|---|---|', ...rows].join('\n');
}

function rowsOf(field: Field, prefix: string): string[] {
  const { name, type, required, pending, default: given, values, change, description, fields } = field;
  const path = `${prefix}${name}`;
  const text = [
    name === SHARED ? `${description}: see [resources](#resources)` : description,
    ...(values && values.length > 1 ? [`one of ${values.map(value => `\`${value}\``).join(', ')}`] : []),
    ...(given === undefined ? [] : [`default: \`${typeof given === 'string' ? given : JSON.stringify(given)}\``]),
    ...(required ? ['*needed*'] : []),
  ].join('; ');
  const below = name === SHARED || isKind(field) ? [] : fields.flatMap(one => rowsOf(one, `${path}${listMark(type)}.`));
  return [`| \`${path}\` | ${type} | ${cell(text)} | ${pending === undefined ? CHANGES[change] : ''} |`, ...below];
}

const listMark = (type: string): string => (type.startsWith('list') ? '[]' : '');

/** Containers have a table of their own. */
const isKind = ({ fields, type }: Field): boolean =>
  type.startsWith('list') && fields.some(({ name }) => name === 'id') && fields.some(({ name }) => name === 'image');
