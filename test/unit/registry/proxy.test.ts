/** Which addresses a proxy is asked for, as Go's clients have it. */
import { afterEach, expect, test } from 'bun:test';
import { proxyFor } from '../../../src/registry/proxy.ts';

const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy', 'ALL_PROXY'];
afterEach(() => {
  for (const name of names) delete process.env[name];
});
const set = (variables: Record<string, string>) => Object.assign(process.env, variables);
const at = (url: string) => proxyFor(new URL(url));

test('the variable of the protocol, in upper case or lower', async () => {
  expect(await at('https://r.example')).toBeUndefined();
  set({ HTTP_PROXY: 'http://plain:1', https_proxy: 'secure:2', ALL_PROXY: 'http://nobodys:3' });
  expect(await at('http://r.example')).toBe('http://plain:1');
  expect(await at('https://r.example')).toBe('http://secure:2');
});

test.each(['localhost', '127.0.0.1:5000', '127.1.2.3', '[::1]:5000'])('never for %s', async host => {
  set({ HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'http://plain:1' });
  expect([await at(`http://${host}`), await at(`https://${host}`)]).toEqual([undefined, undefined]);
});

test.each([
  ['*', 'r.example', true],
  ['r.example', 'r.example', true],
  ['R.Example', 'r.example', true],
  ['example', 'r.example', true],
  ['example', 'rexample', false],
  ['xample', 'r.example', false],
  ['.example', 'r.example', true],
  ['.r.example', 'r.example', false],
  ['*.example', 'r.example', true],
  ['other, r.example', 'r.example', true],
  ['r.example:443', 'r.example', true],
  ['r.example:5000', 'r.example', false],
  ['r.example:5000', 'r.example:5000', true],
  ['r.example', 'r.example:5000', true],
  ['10.0.0.0/8', '10.1.2.3:5000', true],
  ['10.0.0.0/8', '11.1.2.3', false],
  ['10.0.0.0/33', '10.0.0.1', false],
  ['10.1.2.3', '10.1.2.3', true],
  ['fd00::/8', '[fd12::1]:5000', true],
  ['fd00::/8', '[fe80::1]', false],
  ['[fd12::1]:5000', '[fd12::1]:5000', true],
  ['fd12::1', '[fd12::1]:5000', true],
  ['', 'r.example', false],
])('NO_PROXY=%s for %s: %p', async (value, host, isLeftOut) => {
  set({ HTTPS_PROXY: 'http://proxy:1', NO_PROXY: value });
  expect((await at(`https://${host}`)) === undefined).toBe(isLeftOut);
});
