/** Command lines in the audit log, the journal and revisions have nobody's secrets. */
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { toldLine } from '../../../src/cli/told-line.ts';

test.each([
  ['apply -f web.yaml', 'apply -f web.yaml'],
  ['run -d --name web -e A=hunter2 nginx', 'run -d --name web -e A=(not told) nginx'],
  [
    'run --env=A=hunter2 -eB=hunter2 -de C=hunter2 nginx',
    'run --env=A=(not told) -eB=(not told) -de C=(not told) nginx',
  ],
  ['run -e=A=hunter2 nginx', 'run -e=A=(not told) nginx'],
  ['run --env A=x=hunter2 nginx -- nginx -g hunter2', 'run --env A=(not told) nginx -- nginx (not told)'],
  ['exec -it web -- sh', 'exec -it web -- sh'],
  ['exec web -- psql -W hunter2', 'exec web -- psql (not told)'],
  ['image pull x --password hunter2', 'image pull x --password (not told)'],
  ['image pull x --registry-token=hunter2 -q', 'image pull x --registry-token=(not told) -q'],
  ['image pull https://amy:hunter2@there/x', 'image pull https://amy:(not told)@there/x'],
  ['delete cell -- web', 'delete cell -- web'],
  ['set resources -e web', 'set resources -e web'],
])('%s', (typed, told) => {
  const argv = typed.split(' ');
  const line = toldLine(argv, argv.slice(0, 1));
  expect(line).toBe(`kuke ${told}`);
  expect(line).not.toContain('hunter2');
});

test('whatever stands around a variable, its value is not told', () => {
  const words = fc.array(fc.constantFrom('-d', '--rm', 'x', '-q', '--name', '--', '-v'), { maxLength: 4 });
  const given = fc.constantFrom(['-e', 'K=hunter2'], ['--env', 'K=hunter2'], ['--env=K=hunter2'], ['-deK=hunter2']);
  fc.assert(
    fc.property(fc.constantFrom('run', 'exec'), words, given, words, (verb, before, variable, after) => {
      // What comes after -- is the program, whose first word is told.
      fc.pre(!before.includes('--'));
      expect(toldLine([verb, ...before, ...variable, ...after], [verb])).not.toContain('hunter2');
    }),
  );
});
