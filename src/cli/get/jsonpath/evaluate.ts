/** What a template makes of a document. What is not there is nothing, as for kubectl: it allows missing keys. */
import type { Node, Operand, Operator, Path, Step } from './syntax.ts';

interface Scope {
  root: unknown;
  current: unknown;
}

/** The values at the path, in the order of the document. */
export function valuesAt(path: Path, scope: Scope): unknown[] {
  let values = [path.from === 'root' ? scope.root : scope.current];
  for (const step of path.steps) values = values.flatMap(value => valuesOf(step, value, scope.root));
  return values;
}

export function renderTemplate(nodes: readonly Node[], document: unknown): string {
  return render(nodes, { root: document, current: document });
}

function render(nodes: readonly Node[], scope: Scope): string {
  return nodes
    .map(node => {
      if ('text' in node) return node.text;
      if ('path' in node) return valuesAt(node.path, scope).map(textOf).join(' ');
      const elements = valuesAt(node.range, scope);
      return elements.map(current => render(node.body, { root: scope.root, current })).join('');
    })
    .join('');
}

/** Text as it is, all else as JSON. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function valuesOf(step: Step, value: unknown, root: unknown): unknown[] {
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
      return step.of.flatMap(one => valuesOf(one, value, root));
    case 'filter':
      return Array.isArray(value) ? value.filter(current => passes(step, { root, current })) : [];
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

function passes({ left, test }: Extract<Step, { step: 'filter' }>, scope: Scope): boolean {
  const lefts = operandValues(left, scope);
  if (test === undefined) return lefts.length > 0;
  const rights = operandValues(test.right, scope);
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
