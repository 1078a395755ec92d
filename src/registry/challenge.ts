/** What a server wants before it answers: WWW-Authenticate (RFC 9110, 11.6.1; distribution's docs/spec/auth/token.md). */

export type Challenge = { scheme: 'bearer'; realm: string; service?: string; scope?: string } | { scheme: 'basic' };

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const part = new RegExp(`\\s*,*\\s*(${token})(?:\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))|(?=\\s|,|$))`, 'y');
// More than any registry sends; keeps the pattern off hostile lengths.
const headerMax = 8192;

/** The challenge of a header that is to be met, tokens before passwords; undefined where there is none that we know. */
export function readChallenge(header: string | null): Challenge | undefined {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  part.lastIndex = 0;
  const text = (header ?? '').slice(0, headerMax);
  for (let match = part.exec(text); match !== null; match = part.exec(text)) {
    const [, name = '', quoted, plain] = match;
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: new Map() });
    else challenges.at(-1)?.parameters.set(name.toLowerCase(), value);
  }
  for (const { scheme, parameters } of challenges) {
    const realm = parameters.get('realm');
    if (scheme !== 'bearer' || realm === undefined) continue;
    const [service, scope] = [parameters.get('service'), parameters.get('scope')];
    return { scheme, realm, ...(service !== undefined && { service }), ...(scope !== undefined && { scope }) };
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : undefined;
}
