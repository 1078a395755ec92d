/** What a template makes of a document. What is not there is nothing, as for kubectl: it allows missing keys. */
import { KukeError } from '../../../kernel/errors.ts';
import type { Node, Operand, Operator, Path, Step } from './syntax.ts';

interface Scope {
  root: unknown;
  current: unknown;
  /** Of all that belongs together. */
  left?: Left;
}

/** What a template may still take: ranges within ranges, and descents, multiply without end, and kukeond has others to answer. */
interface Left {
  values: number;
  characters: number;
}

const everything = (): Left => ({ values: 1_000_000, characters: 64 << 20 });

function take(left: Left, what: keyof Left, amount: number): void {
  left[what] -= amount;
  if (left[what] >= 0) return;
  const remedy = 'ask for less, or for `-o json`, and take it apart there';
  throw new KukeError('Usage', `the template makes more than ${everything()[what]} ${what} of this`, { remedy });
}

/** The values at the path, in the order of the document. Throws Usage for more than anybody wants. */
export function valuesAt(path: Path, scope: Scope): unknown[] {
  const { root, current, left = everything() } = scope;
  let values = [path.from === 'root' ? root : current];
  for (const step of path.steps) {
    values = values.flatMap(value => {
      const found = valuesOf(step, value, { root, left });
      take(left, 'values', found.length);
      return found;
    });
  }
  return values;
}

export function renderTemplate(nodes: readonly Node[], document: unknown): string {
  return render(nodes, { root: document, current: document, left: everything() });
}

type Rendered = Scope & { left: Left };

function render(nodes: readonly Node[], scope: Rendered): string {
  return nodes.map(node => renderOne(node, scope)).join('');
}

function renderOne(node: Node, scope: Rendered): string {
  if ('range' in node)
    return valuesAt(node.range, scope)
      .map(current => render(node.body, { ...scope, current }))
      .join('');
  const values = 'text' in node ? [node.text] : valuesAt(node.path, scope);
  const counted = (text: string): string => {
    take(scope.left, 'characters', text.length);
    return text;
  };
  return values.map(value => counted(textOf(value))).join(' ');
}

/** Text as it is, all else as JSON. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function valuesOf(step: Step, value: unknown, scope: Omit<Rendered, 'current'>): unknown[] {
  switch (step.step) {
    case 'field':
      return fieldOf(step.name, step.dotted === true, value);
    case 'index':
      return Array.isArray(value) ? present(value.at(step.index)) : [];
    case 'slice':
      return Array.isArray(value) ? slice(value, step) : [];
    case 'wildcard':
      return childrenOf(value);
    case 'descend':
      return [value, ...descendants(value)];
    case 'union':
      return step.of.flatMap(one => valuesOf(one, value, scope));
    case 'filter':
      return Array.isArray(value) ? value.filter(current => passes(step, { ...scope, current })) : [];
  }
}

const present = (value: unknown): unknown[] => (value === undefined ? [] : [value]);

function fieldOf(name: string, dotted: boolean, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  if (Object.hasOwn(value, name)) return present(Reflect.get(value, name));
  const dot = dotted ? name.indexOf('.') : -1;
  if (dot <= 0) return [];
  return fieldOf(name.slice(0, dot), true, value).flatMap(inner => fieldOf(name.slice(dot + 1), true, inner));
}

function childrenOf(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}

const descendants = (value: unknown): unknown[] => childrenOf(value).flatMap(child => [child, ...descendants(child)]);

function slice(values: unknown[], { from, to, by }: { from?: number; to?: number; by: number }): unknown[] {
  const { length } = values;
  const place = (index: number) => (index < 0 ? index + length : index);
  const [first, last] = by > 0 ? [0, length] : [length - 1, -1];
  const within = (index: number) => Math.min(Math.max(index, by > 0 ? 0 : -1), by > 0 ? length : length - 1);
  const start = from === undefined ? first : within(place(from));
  const end = to === undefined ? last : within(place(to));
  const taken: unknown[] = [];
  for (let index = start; by > 0 ? index < end : index > end; index += by) taken.push(values[index]);
  return taken;
}

function passes({ left, test }: Extract<Step, { step: 'filter' }>, scope: Rendered): boolean {
  const lefts = operandValues(left, scope);
  if (test === undefined) return lefts.length > 0;
  const rights = operandValues(test.right, scope);
  take(scope.left, 'values', lefts.length * rights.length);
  return lefts.some(a => rights.some(b => holds(a, test.operator, b)));
}

const operandValues = (operand: Operand, scope: Scope): unknown[] =>
  'path' in operand ? valuesAt(operand.path, scope) : [operand.value];

/** Numbers and texts have an order among themselves, and between each other none. */
function holds(a: unknown, operator: Operator, b: unknown): boolean {
  if (operator === '==') return Bun.deepEquals(a, b);
  if (operator === '!=') return !Bun.deepEquals(a, b);
  const areNumbers = typeof a === 'number' && typeof b === 'number';
  const areTexts = typeof a === 'string' && typeof b === 'string';
  if (!areNumbers && !areTexts) return false;
  switch (operator) {
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '<=':
      return a <= b;
    case '>=':
      return a >= b;
  }
}
