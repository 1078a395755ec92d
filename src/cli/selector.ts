/** Label selectors as kubectl's `-l`: `a=b`, `a==b`, `a!=b`, `a`, `!a`, joined by commas; all must hold. */
import { KukeError } from '../kernel/errors.ts';

interface Requirement {
  key: string;
  /** Absent: it is enough that the label is there. */
  value?: string;
  negated: boolean;
}

export type Selector = readonly Requirement[];

export function parseSelector(text: string): Selector {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => {
      const match = /^(!?)([A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?)\s*(?:(!=|==?)\s*([\w./-]*))?$/.exec(part);
      const [, bang, key = '', operator, value] = match ?? [];
      if (match === null || (bang === '!' && operator !== undefined)) {
        throw new KukeError('Usage', `-l: \`${part}\` is not a label such as app=web, app!=web, app or !app`);
      }
      return { key, ...(operator && { value: value ?? '' }), negated: bang === '!' || operator === '!=' };
    });
}

export function matchesSelector(requirements: Selector, labels: Record<string, string>): boolean {
  return requirements.every(({ key, value, negated }) => {
    const holds =
      value === undefined ? Object.hasOwn(labels, key) : Object.hasOwn(labels, key) && labels[key] === value;
    return holds !== negated;
  });
}
