/** Which image somebody means by a name. */
import { familiarName, formatReference, KukeError, parseReference } from 'kuke/plugin';
import type { Client, Image } from '../client/index.ts';
import { ifFound } from '../errors.ts';
import { quoted } from './fault.ts';

const suggestionsMax = 3;

/**
 * The image of that name, or all that stand for that digest. A name that another client gave is found as it is written, too.
 * Throws ImageNotFound, which tells the nearest names.
 */
export async function findImages(client: Client, namespace: string, name: string): Promise<[Image, ...Image[]]> {
  const names = new Set([name, fullName(name)]);
  names.delete('');
  const found = await Promise.all([...names].map(one => ifFound(client.images.get({ name: one }))));
  const image = found.find(one => one !== undefined);
  if (image !== undefined) return [image];

  const reference = parseReference(name);
  const { repository, digest } = reference;
  const full = formatReference(reference);

  const all = await client.images.list({});
  const [first, ...others] = all.filter(
    ({ name: other, target }) =>
      digest !== undefined && target?.digest === digest && (repository === '' || hasRepository(other, repository)),
  );
  if (first !== undefined) return [first, ...others];
  throw new KukeError('ImageNotFound', `image ${full} is not in ${namespace}${nearest(full, all)}`);
}

/** Empty for what only another client takes for a name. */
function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return '';
  }
}

function hasRepository(name: string, repository: string): boolean {
  return name.startsWith(`${repository}:`) || name.startsWith(`${repository}@`);
}

function nearest(full: string, images: Image[]): string {
  const wanted = familiarName(full);
  const names = images.map(({ name }) => familiarName(name));
  const near = names.sort((a, b) => commonPrefix(wanted, b) - commonPrefix(wanted, a) || a.localeCompare(b));
  if (near.length === 0) return ', which has none';
  const more = near.length > suggestionsMax ? ` and ${near.length - suggestionsMax} more` : '';
  return `; there are ${near.slice(0, suggestionsMax).map(printable).join(', ')}${more}`;
}

function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

const printable = (name: string): string => (/^[\w./:@[\]-]+$/.test(name) ? name : quoted(name));
