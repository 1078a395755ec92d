/** docs/reference is made from the sources, and says what they say. */
import { expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { referencePages } from '../../scripts/reference/pages.ts';
import { type Field, fieldsOfKind } from '../../src/kernel/fields.ts';
import { kernelOnFakes } from './kernel/kernel-on-fakes.ts';

const top = join(import.meta.dir, '../..');
const pages = await referencePages();
const { kernel } = await kernelOnFakes();

test.each(pages)('%s is up to date', (file, text) => {
  const path = join(top, file);
  const stored = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (stored !== text) throw new Error(`${file} is not what the sources say: run \`bun run docs\``);
});

test('every field of every kind says what it does, in a clause and not in a word', () => {
  const silent = (field: Field, path: string): string[] => [
    ...(field.description.split(' ').length < 4 ? [`${path}${field.name}: ${field.description}`] : []),
    ...field.fields.flatMap(one => silent(one, `${path}${field.name}.`)),
  ];
  const kinds = kernel.kinds.all();
  expect(kinds.flatMap(kind => fieldsOfKind(kernel.kinds, kind).flatMap(one => silent(one, `${kind.kind}.`)))).toEqual(
    [],
  );
});
