/** `--sort-by`: a JSONPath, as kubectl has it, or the header of a column. */
import { KukeError } from '../../kernel/errors.ts';
import type { Resource } from '../../kernel/kinds.ts';
import { parseQuantity } from '../../kernel/limits/quantity.ts';
import { didYouMean } from '../../kernel/names.ts';
import type { Table } from '../output/resources.ts';
import { textOf, valuesAt } from './jsonpath/evaluate.ts';
import { parsePath } from './jsonpath/parse.ts';

type Key = (resource: Resource) => unknown;

/** `table`: what can be shown of them. Throws Usage for what is no column, and for a path that none has, unless `mayLack`. */
export function sortResources(resources: Resource[], by: string, table: Table, mayLack = false): Resource[] {
  const key = keyOf(by, table);
  const keyed = resources.map(resource => ({ resource, key: key(resource) }));
  if (!mayLack && keyed.length > 0 && keyed.every(one => one.key === undefined))
    throw new KukeError('Usage', `--sort-by: none of them has ${by}`, {
      remedy: 'give a path such as .status.state, or the header of a column',
    });
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ resource }) => resource);
}

function keyOf(by: string, { header, row }: Table): Key {
  if (/[.[{$@]/.test(by)) {
    const path = parsePath(by, '--sort-by');
    return ({ manifest }) => valuesAt(path, { root: manifest, current: manifest })[0];
  }
  const index = header.findIndex(one => one.toLowerCase() === by.toLowerCase());
  if (index >= 0) return resource => row(resource)[index] || undefined;
  throw new KukeError('Usage', `--sort-by: there is no column \`${by}\`${didYouMean(by, header)}`, {
    remedy: `columns: ${header.join(', ')}; or a path such as .status.state`,
  });
}

const natural = new Intl.Collator('en', { numeric: true });

/** Numbers and quantities by what they amount to, all else as a person would; what is not there comes last. */
function compare(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const [first, second] = [amount(a), amount(b)];
  if (first !== undefined && second !== undefined) return first - second;
  return natural.compare(textOf(a), textOf(b));
}

/** Of `3`, `512Mi`, and of `12Mi/512Mi`, which is use and limit, the use. */
function amount(value: unknown): number | undefined {
  const parsed = parseQuantity(typeof value === 'string' ? value.replace(/\/.*$/, '') : value);
  return 'value' in parsed ? parsed.value : undefined;
}
