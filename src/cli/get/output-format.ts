/** What `-o` of get may say, kubectl's words. */
import { KukeError } from '../../kernel/errors.ts';
import type { Column } from '../../kernel/kinds.ts';
import { currentConsole } from '../console/console.ts';
import type { Node } from './jsonpath/syntax.ts';

export const FORMATS = [
  'table',
  'wide',
  'yaml',
  'json',
  'name',
  'jsonpath=',
  'jsonpath-file=',
  'custom-columns=',
  'custom-columns-file=',
] as const;

export type OutputFormat =
  | { format: 'yaml' }
  | { format: 'json' }
  | { format: 'name' }
  | { format: 'jsonpath'; template: Node[] }
  /** `columns`: all that are shown, in place of the name and the kind's own. */
  | { format: 'table'; wide: boolean; columns?: Column[] };

/** `text`: one of `FORMATS`, with what follows the `=` of those that end so. Throws Usage for a template that is none. */
export async function readFormat(text: string): Promise<OutputFormat> {
  const [word = '', given] = split(text);
  if (word === 'table' || word === 'wide') return { format: 'table', wide: word === 'wide' };
  if (word === 'yaml' || word === 'json' || word === 'name') return { format: word };
  const isFile = word.endsWith('-file');
  if (!given) throw new KukeError('Usage', `-o ${word}=: ${isFile ? 'a file' : 'a template'} is missing behind the =`);
  const template = isFile ? await readTemplate(given) : given;
  const what = isFile ? given : `-o ${word}`;
  if (word.startsWith('jsonpath')) {
    const { parseTemplate } = await import('./jsonpath/parse.ts');
    return { format: 'jsonpath', template: parseTemplate(template, what) };
  }
  const { columnsOf, columnsOfFile } = await import('./custom-columns.ts');
  const columns = isFile ? columnsOfFile(template, what) : columnsOf(template, what);
  return { format: 'table', wide: true, columns };
}

function split(text: string): string[] {
  const at = text.indexOf('=');
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

async function readTemplate(path: string): Promise<string> {
  try {
    return (await textOf(currentConsole().files.read(path))).replace(/\n$/, '');
  } catch (thrown) {
    throw new KukeError('Usage', `${path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
      remedy: 'name a file that holds the template',
    });
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString('utf8');
}
