import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { PATH, scrubbedEnvironment } from '../../../src/host/environment.ts';

test('what could run code in a child does not get there', () => {
  const hostile = {
    ...{ BUN_OPTIONS: '--preload=/tmp/evil.ts', BUN_BE_BUN: '1', LD_PRELOAD: '/tmp/evil.so', LD_LIBRARY_PATH: '/tmp' },
    ...{
      NODE_OPTIONS: '--require /tmp/evil.js',
      GODEBUG: 'x',
      PATH: '/tmp',
      HOME: '/tmp',
      NOTIFY_SOCKET: '/x',
      LANG: 'de_DE.UTF-8',
    },
  };
  expect(scrubbedEnvironment({}, hostile)).toEqual({ PATH, HOME: '/root', LANG: 'de_DE.UTF-8' });
});

test('of any environment only the listed names pass, and extra goes before all', () => {
  const allowed = /^(PATH|HOME|LANG|LC_(ALL|CTYPE|MESSAGES)|TZ|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy)$/;
  fc.assert(
    fc.property(
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('TZ', 'no_proxy', 'BUN_OPTIONS')), fc.string()),
      from => {
        const environment = scrubbedEnvironment({}, from);
        for (const name of Object.keys(environment)) expect(name).toMatch(allowed);
        expect(environment.PATH).toBe(PATH);
      },
    ),
  );
  expect(scrubbedEnvironment({ PATH: '/opt/cni/bin', CNI_COMMAND: 'ADD' }, {})).toEqual({
    PATH: '/opt/cni/bin',
    HOME: '/root',
    CNI_COMMAND: 'ADD',
  });
});

test('by default it is our own environment that is scrubbed', async () => {
  process.env.BUN_OPTIONS = '--smol';
  try {
    const child = Bun.spawn(['/usr/bin/env'], { env: scrubbedEnvironment({ GREETING: 'hello' }) });
    const lines = (await new Response(child.stdout).text()).trim().split('\n');
    expect(lines).toContain(`PATH=${PATH}`);
    expect(lines).toContain('GREETING=hello');
    expect(lines.filter(line => line.startsWith('BUN'))).toEqual([]);
  } finally {
    delete process.env.BUN_OPTIONS;
  }
});
