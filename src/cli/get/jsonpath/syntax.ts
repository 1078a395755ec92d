/** kubectl's JSONPath dialect as data (kubernetes.io/docs/reference/kubectl/jsonpath). */

export interface Path {
  /** `$`: the whole document; else what stands around: the document, the element of a `range`, the one that a filter looks at. */
  from: 'root' | 'current';
  steps: Step[];
}

export type Step =
  /** `dotted`: kubectl takes the dots of `['metadata.name']` for steps; a key that is spelt so goes first. */
  | { step: 'field'; name: string; dotted?: true }
  | { step: 'index'; index: number }
  /** As in Python: the end is not part of it, negative ones count from the back. */
  | { step: 'slice'; from?: number; to?: number; by: number }
  | { step: 'wildcard' }
  /** `..`: the value itself and all below it. */
  | { step: 'descend' }
  /** `['a','b']`, `[0,2]` */
  | { step: 'union'; of: Step[] }
  | { step: 'filter'; left: Operand; test?: { operator: Operator; right: Operand } };

export const OPERATORS = ['==', '!=', '<=', '>=', '<', '>'] as const;
export type Operator = (typeof OPERATORS)[number];

export type Operand = { path: Path } | { value: string | number | boolean | null };

export type Node = { text: string } | { path: Path } | { range: Path; body: Node[] };
