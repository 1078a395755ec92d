/** Label selectors as kubectl's `-l`: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`, joined by commas; all must hold. */
import { KukeError } from './errors.ts';

interface Requirement {
  key: string;
  /** One of them; absent: it is enough that the label is there. */
  values?: readonly string[];
  negated: boolean;
}

export type Selector = readonly Requirement[];

const KEY = '[A-Za-z0-9](?:[\\w./-]*[A-Za-z0-9])?';
const REQUIREMENT = new RegExp(
  `^(?:(!?)\\s*(${KEY})|(${KEY})\\s*(!=|==?)\\s*([\\w./-]*)|(${KEY})\\s+(in|notin)\\s*\\(([\\w./,\\s-]*)\\))$`,
);

export function parseSelector(text: string): Selector {
  return text
    .split(/,(?![^()]*\))/) // not within brackets
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => {
      const match = REQUIREMENT.exec(part);
      if (match === null)
        throw new KukeError(
          'Usage',
          `-l: \`${part}\` is not a label such as app=web, app!=web, app, !app or app in (web,db)`,
        );
      const [, bang, alone, key = '', operator, value = '', listed = '', word, list = ''] = match;
      if (alone !== undefined) return { key: alone, negated: bang === '!' };
      if (word === undefined) return { key, values: [value], negated: operator === '!=' };
      return { key: listed, values: list.split(',').map(one => one.trim()), negated: word === 'notin' };
    });
}

export function matchesSelector(requirements: Selector, labels: Record<string, string>): boolean {
  return requirements.every(({ key, values, negated }) => {
    const isThere = Object.hasOwn(labels, key);
    return (isThere && (values === undefined || values.includes(labels[key] ?? ''))) !== negated;
  });
}
