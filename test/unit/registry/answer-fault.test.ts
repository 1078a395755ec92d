import { expect, test } from 'bun:test';
import { answerFault } from '../../../src/registry/answer-fault.ts';
import type { Answer } from '../../../src/registry/transport.ts';

const SECRET = 'pa"ss/w\u00f6rd-that-nobody-may-read';
const redact = (text: string): string => text.replaceAll(SECRET, '***');

async function told(body: string): Promise<string> {
  const answer = {
    status: 400,
    url: new URL('http://registry.test/v2/'),
    headers: new Headers(),
    readAll: async () => new TextEncoder().encode(body),
  } as unknown as Answer;
  return (await answerFault(answer, new AbortController().signal, redact)).message;
}

const errors = (message: string): string => JSON.stringify({ errors: [{ code: 'DENIED', message }] });

test.each([
  ['as it is', `no entry for ${SECRET}`],
  ['in JSON', errors(`no entry for ${SECRET}`)],
  ['in JSON that escapes more than it has to', errors(`no entry for ${SECRET}`).replaceAll('/', '\\/')],
  ['where a long text is cut', `${'x'.repeat(295)}${SECRET}`],
  ['where a long text in JSON is cut', errors(`${'x'.repeat(280)}${SECRET}`)],
])('a secret that the server repeats is not told: %s', async (_, body) => {
  const message = await told(body);
  // Not even its beginning.
  for (const part of ['pa"', 'ss/w', 'rd-that']) expect(message).not.toContain(part);
  expect(message).toContain('HTTP 400 (bad request): ');
});
