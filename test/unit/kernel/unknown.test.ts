import { expect, test } from 'bun:test';
import { shellCommand } from '../../../src/kernel/backends/shell.ts';
import { Unknowns } from '../../../src/kernel/dry-run/unknown.ts';

const bash = (script: string) => Bun.spawnSync(['bash', '-ec', script]).stdout.toString();

test('what only the run will know is a variable of the shell, kept for the steps that come later', () => {
  const unknowns = new Unknowns();
  const made = { addresses: [0, 1].map(index => `${unknowns.unknown('addresses', index)}/16`), id: 'a' };
  const [first, second] = [3, 12].map(step => unknowns.of(step, made) as typeof made);
  const text = `it's ${first?.addresses[0]} and ${second?.addresses[1]}, \${addresses_3[0]} {addresses 0}`;
  const command = shellCommand('printf', '%s', text);
  expect(unknowns.usedIn(command)).toEqual([
    { step: 3, variable: 'addresses' },
    { step: 12, variable: 'addresses' },
  ]);
  const script = [
    "addresses='10.88.0.2/16'",
    unknowns.keep(3, 'addresses'),
    "addresses='10.88.0.3/16\nfd00::3/64'",
    unknowns.keep(12, 'addresses'),
    unknowns.inShell(command),
  ].join('\n');
  expect(bash(script)).toBe("it's 10.88.0.2/16 and fd00::3/16, ${addresses_3[0]} {addresses 0}");
  expect(unknowns.inWords(text)).toStartWith("it's <addresses>/16 and <addresses>/16, ");
});

test('what another run did not know is text like any other', () => {
  const text = new Unknowns().of(1, new Unknowns().unknown('addresses', 0));
  const other = new Unknowns();
  expect([other.usedIn(String(text)), other.inShell(String(text))]).toEqual([[], String(text)]);
  expect(other.of(1, undefined)).toBeUndefined();
});
