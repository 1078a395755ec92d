import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { CniError, codeName, oneLine, throwAll } from '../../../src/cni/errors.ts';

test('codes have the specification’s names; from 100 on they are the plugin’s', () => {
  expect([1, 7, 11, 50, 100, 42].map(codeName)).toEqual([
    'incompatible CNI version',
    'invalid network configuration',
    'try again later',
    'plugin not available',
    "the plugin's own",
    'not a well-known code',
  ]);
});

test('several failures are one error that tells them all', () => {
  const failed = (plugin: string) =>
    new CniError({ reason: 'exit-status', command: 'DEL', network: 'net', plugin, msg: `no ${plugin}` });
  expect(() => throwAll([])).not.toThrow();
  const only = failed('a');
  expect(() => throwAll([only])).toThrow(only);
  expect(() => throwAll([failed('a'), failed('b'), failed('c')])).toThrow(
    'CNI DEL, network net, plugin a: no a; also failed: CNI DEL, network net, plugin b: no b; also failed: CNI DEL, network net, plugin c: no c',
  );
});

test('foreign text is one printable line of bounded length, whatever it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 5000 }), text => {
      const line = oneLine(text);
      expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      expect(line.length).toBeLessThan(2100);
    }),
  );
});
