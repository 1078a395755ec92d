/** Reads a JSONPath template: text, and in braces a path, a quoted text, `range PATH` or `end`. */
import { type Cursor, cursorOn } from './cursor.ts';
import { type Node, OPERATORS, type Operand, type Operator, type Path, type Step } from './syntax.ts';

/** `what` names the template in errors: `-o jsonpath`. One without braces is a path alone. Throws Usage with the place of the fault. */
export function parseTemplate(text: string, what: string): Node[] {
  if (!text.includes('{')) return [{ path: parsePath(text, what) }];
  const cursor = cursorOn(text, what);
  const whole: Node[] = [];
  const open: { at: number; around: Node[] }[] = [];
  let nodes = whole;
  while (!cursor.isAtEnd) {
    const plain = cursor.take(/[^{}]+/y);
    if (plain !== undefined) nodes.push({ text: plain });
    if (cursor.isAtEnd) break;
    const start = cursor.at;
    if (cursor.take(/\{/y) === undefined) throw cursor.fault('there is no { for this }');
    cursor.skipSpace();
    if (cursor.take(/range(?=[\s.[@$])/y) !== undefined) {
      cursor.skipSpace();
      const body: Node[] = [];
      nodes.push({ range: readPath(cursor), body });
      open.push({ at: start, around: nodes });
      nodes = body;
    } else if (cursor.take(/end(?=\s*\})/y) !== undefined) {
      const range = open.pop();
      if (range === undefined) throw cursor.fault('there is no range that this end is of', start);
      nodes = range.around;
    } else {
      const quoted = readQuoted(cursor);
      nodes.push(quoted === undefined ? { path: readPath(cursor) } : { text: quoted });
    }
    cursor.skipSpace();
    if (cursor.take(/\}/y) === undefined) throw cursor.fault('a } is missing');
  }
  const [unended] = open;
  if (unended !== undefined) throw cursor.fault('{end} of this range is missing', unended.at);
  return whole;
}

/** A path alone, with or without braces and its first dot: `{.status.state}`, `.status.state`, `status.state`. */
export function parsePath(text: string, what: string): Path {
  const cursor = cursorOn(text, what);
  cursor.skipSpace();
  const isBraced = cursor.take(/\{\s*/y) !== undefined;
  const path = readPath(cursor);
  cursor.skipSpace();
  if (isBraced && cursor.take(/\}\s*/y) === undefined) throw cursor.fault('a } is missing');
  if (!cursor.isAtEnd) throw cursor.fault('a path ends before this');
  return path;
}

const NAME = /(?:\\[\s\S]|[^\s.[\]{}()'"=<>!,@$?*\\])+/y;

function readPath(cursor: Cursor): Path {
  const start = cursor.at;
  const from = cursor.take(/[$@]/y) === '$' ? 'root' : 'current';
  const steps: Step[] = [];
  if (cursor.at === start) {
    const name = cursor.take(NAME);
    if (name !== undefined) steps.push(field(name));
  }
  for (;;) {
    if (cursor.take(/\[/y) !== undefined) steps.push(readBrackets(cursor));
    else if (cursor.take(/\.\./y) !== undefined) steps.push({ step: 'descend' }, ...readNamed(cursor));
    else if (cursor.take(/\./y) !== undefined) steps.push(...readNamed(cursor));
    else break;
  }
  if (cursor.at === start) throw cursor.fault('a path is expected here, such as .metadata.name');
  return { from, steps };
}

/** After a dot; `.` alone, and `.[0]`, have no name. */
function readNamed(cursor: Cursor): Step[] {
  if (cursor.take(/\*/y) !== undefined) return [{ step: 'wildcard' }];
  const name = cursor.take(NAME);
  return name === undefined ? [] : [field(name)];
}

const field = (name: string): Step => ({ step: 'field', name: name.replace(/\\([\s\S])/g, '$1') });

function readBrackets(cursor: Cursor): Step {
  const start = cursor.at - 1;
  cursor.skipSpace();
  if (cursor.take(/\?\s*\(/y) !== undefined) return readFilter(cursor, start);
  const of: Step[] = [];
  do {
    cursor.skipSpace();
    of.push(readElement(cursor));
    cursor.skipSpace();
  } while (cursor.take(/,/y) !== undefined);
  if (cursor.take(/\]/y) === undefined) throw cursor.fault('a ] is missing');
  const [first] = of;
  return of.length === 1 && first !== undefined ? first : { step: 'union', of };
}

const NUMBER = /-?\d+/y;

function readElement(cursor: Cursor): Step {
  if (cursor.take(/\*/y) !== undefined) return { step: 'wildcard' };
  const quoted = readQuotes(cursor);
  // Where no backslash says that a dot is the key's own.
  if (quoted !== undefined)
    return { step: 'field', name: unescaped(quoted), ...(!quoted.includes('\\') && { dotted: true }) };
  const name = cursor.take(/[A-Za-z_][\w-]*/y);
  if (name !== undefined) return { step: 'field', name };
  const start = cursor.at;
  const from = cursor.take(NUMBER);
  if (cursor.take(/:/y) === undefined) {
    if (from === undefined)
      throw cursor.fault('an index, a slice such as 0:2, *, a quoted name or ?(...) is expected here');
    return { step: 'index', index: Number(from) };
  }
  const to = cursor.take(NUMBER);
  const by = Number((cursor.take(/:/y) !== undefined && cursor.take(NUMBER)) || 1);
  if (by === 0) throw cursor.fault('a slice cannot go on by 0', start);
  return {
    step: 'slice',
    ...(from !== undefined && { from: Number(from) }),
    ...(to !== undefined && { to: Number(to) }),
    by,
  };
}

function readFilter(cursor: Cursor, start: number): Step {
  cursor.skipSpace();
  const left = readOperand(cursor);
  cursor.skipSpace();
  const operator = cursor.take(/==|!=|<=|>=|<|>/y) as Operator | undefined;
  cursor.skipSpace();
  const test = operator && { operator, right: readOperand(cursor) };
  cursor.skipSpace();
  if (cursor.take(/\)\s*\]/y) === undefined) {
    const at = cursor.at;
    if (cursor.isAtEnd) throw cursor.fault('the )] of this filter is missing', start);
    throw cursor.fault(`one of ${OPERATORS.join(' ')}, or the )] of the filter, is expected here`, at);
  }
  return { step: 'filter', left, ...(test && { test }) };
}

function readOperand(cursor: Cursor): Operand {
  const quoted = readQuoted(cursor);
  if (quoted !== undefined) return { value: quoted };
  const number = cursor.take(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y);
  if (number !== undefined) return { value: Number(number) };
  const word = cursor.take(/(?:true|false|null)(?![\w.[-])/y);
  if (word !== undefined) return { value: JSON.parse(word) };
  return { path: readPath(cursor) };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0' };

const unescaped = (text: string): string =>
  text.replace(/\\([\s\S])/g, (_, letter: string) => ESCAPES[letter] ?? letter);

/** In single or double quotes, with Go's common escapes. Undefined: there is no quote here. */
function readQuoted(cursor: Cursor): string | undefined {
  const body = readQuotes(cursor);
  return body === undefined ? undefined : unescaped(body);
}

/** What stands between them. */
function readQuotes(cursor: Cursor): string | undefined {
  const start = cursor.at;
  const quote = cursor.take(/['"]/y);
  if (quote === undefined) return undefined;
  const body = cursor.take(quote === '"' ? /(?:\\[\s\S]|[^"\\])*/y : /(?:\\[\s\S]|[^'\\])*/y) ?? '';
  if (cursor.take(/['"]/y) === undefined) throw cursor.fault('the end of this quoted text is missing', start);
  return body;
}
