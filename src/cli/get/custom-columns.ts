/** `-o custom-columns=NAME:.metadata.name,STATE:.status.state`, as kubectl has it. */
import { KukeError } from '../../kernel/errors.ts';
import type { Column } from '../../kernel/kinds.ts';
import { textOf, valuesAt } from './jsonpath/evaluate.ts';
import { parsePath } from './jsonpath/parse.ts';
import type { Path } from './jsonpath/syntax.ts';

/** As kubectl says it of a field that is not there. */
const NONE = '<none>';

/** Throws Usage, with the place of a fault in a path. */
export function columnsOf(text: string, what: string): Column[] {
  return splitOutside(text, ',').map(part => {
    const [header = '', path] = splitFirst(part.trim(), ':');
    if (header === '' || path === undefined || path === '') {
      const message = `${what}: \`${part}\` is not HEADER:PATH`;
      throw new KukeError('Usage', message, { remedy: 'such as NAME:.metadata.name,STATE:.status.state' });
    }
    return columnAt(header, parsePath(path, `${what}, ${header}`));
  });
}

/** kubectl's file: a line of headers, and below each its path. */
export function columnsOfFile(text: string, what: string): Column[] {
  const [headers = [], paths = []] = text
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => line.trim().split(/\s+/));
  if (headers.length === 0 || headers.length !== paths.length) {
    throw new KukeError('Usage', `${what}: ${headers.length} headers, and ${paths.length} paths below them`, {
      remedy: 'write a line of headers, and below each its path',
    });
  }
  return headers.map((header, index) => columnAt(header, parsePath(paths[index] ?? '', `${what}, ${header}`)));
}

function columnAt(header: string, path: Path): Column {
  return {
    header,
    value({ manifest }) {
      const values = valuesAt(path, { root: manifest, current: manifest });
      return values.length === 0 ? NONE : values.map(textOf).join(',');
    },
  };
}

function splitFirst(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** Not within brackets or quotes, where a path may have commas of its own. */
function splitOutside(text: string, mark: string): string[] {
  const parts = [''];
  let [depth, quote] = [0, ''];
  for (const one of text) {
    if (quote !== '') quote = one === quote ? '' : quote;
    else if ((one === '"' || one === "'") && depth > 0) quote = one;
    else if ('[({'.includes(one)) depth++;
    else if ('])}'.includes(one)) depth--;
    if (one === mark && depth <= 0 && quote === '') parts.push('');
    else parts.push(`${parts.pop()}${one}`);
  }
  return parts;
}
