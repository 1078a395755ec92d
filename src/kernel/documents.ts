/** Text of one or several YAML (or JSON) documents as values that know where each field stands. */
import { type Document, isMap, isScalar, LineCounter, parse, parseAllDocuments, stringify } from 'yaml';
import { KukeError } from './errors.ts';

export interface SourceDocument {
  value: unknown;
  /** `cell.yaml:12:5` of the field at `spec.containers[1].image`, or of the nearest one around it. */
  locate(path: string): string;
}

/** Far more than any host's manifests; keeps hostile input from filling the memory. */
export const MAX_BYTES = 8 * 1024 * 1024;

/** Throws InvalidManifest with line and column. Empty documents are left out; a `kind: List` becomes its items. */
export function parseDocuments(text: string, source: string): SourceDocument[] {
  if (text.length > MAX_BYTES)
    throw new KukeError('InvalidManifest', `${source} is larger than ${MAX_BYTES >> 20} MiB`);
  const lineCounter = new LineCounter();
  // Plain data only: keys are strings, and no tag makes anything else of a value.
  const options = { lineCounter, prettyErrors: false, stringKeys: true, resolveKnownTags: false };
  const documents = parseAllDocuments(text, options);
  if (!Array.isArray(documents)) return [];
  return documents.flatMap(document => fromDocument(document, lineCounter, source));
}

function fromDocument(document: Document.Parsed, lineCounter: LineCounter, source: string): SourceDocument[] {
  const at = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset);
    return `${source}:${line}:${col}`;
  };
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) throw malformed(at(fault.pos[0]), fault.message);
  const value = toPlain(document, at(document.range[0]));
  if (value === null || value === undefined) return [];
  const locate = (keys: (string | number)[]): string => at(offsetOf(document, keys) ?? document.range[0]);
  if (isList(value)) {
    return value.items.map((item, index) => ({
      value: item,
      locate: path => locate(['items', index, ...keysOf(path)]),
    }));
  }
  return [{ value, locate: path => locate(keysOf(path)) }];
}

/** Aliases that multiply beyond reason, or stand within what they name, are refused here. */
function toPlain(document: Document.Parsed, where: string): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    JSON.stringify(value);
    return value;
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw malformed(where, message.includes('cyclic') ? 'an alias stands within what it names' : message);
  }
}

function malformed(where: string, message: string): KukeError {
  const what = message.startsWith('Maximum call stack size') ? 'nested too deeply' : message;
  return new KukeError('InvalidManifest', `${where}: not valid YAML: ${what}`, { remedy: 'mend the file' });
}

function isList(value: unknown): value is { items: unknown[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    value.kind === 'List' &&
    'items' in value &&
    Array.isArray(value.items)
  );
}

function keysOf(path: string): (string | number)[] {
  return [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(match => (match[1] === undefined ? match[0] : Number(match[1])));
}

/** The offset of the deepest field on the way that is there: of its key in a map, else of the value. */
function offsetOf(document: Document.Parsed, keys: (string | number)[]): number | undefined {
  for (let depth = keys.length; depth > 0; depth--) {
    const key = keys[depth - 1];
    const around: unknown = depth === 1 ? document.contents : document.getIn(keys.slice(0, depth - 1), true);
    if (isMap(around)) {
      const pair = around.items.find(item => isScalar(item.key) && item.key.value === key);
      if (pair !== undefined && isScalar(pair.key) && pair.key.range) return pair.key.range[0];
    }
    const node: unknown = document.getIn(keys.slice(0, depth), true);
    if (typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range))
      return Number(node.range[0]);
  }
  return undefined;
}

/** Control characters which the package puts into double quotes, as it must, and yet as they are; terminals act on them. */
const C1 = /[\u007f-\u009f]/g;

/**
 * A value as YAML that gives it back, also where it is read as YAML 1.1; without the newline at its end. Strings of several
 * lines stand as such, and long ones are not folded, for grep.
 */
export function formatDocument(value: unknown): string {
  const options = { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' } as const;
  const text = stringify(value, options);
  // Block literals of yaml 2.9.1 lose the spaces of a string such as ' \n'.
  const isExact = Bun.deepEquals(parse(text, { stringKeys: true }), value);
  const exact = isExact ? text : stringify(value, { ...options, blockQuote: false });
  return exact.replace(/\n$/, '').replace(C1, character => `\\x${character.charCodeAt(0).toString(16)}`);
}
