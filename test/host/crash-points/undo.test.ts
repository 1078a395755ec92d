// containerd: once, since kuke-faults/killed.test.ts has the versions.
/** kuke is killed (-9) before and after everything that it undoes: the next command undoes the rest, and the host is as it was before. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Containerd } from '../containerd.ts';
import { cell, container } from '../kuke/cells.ts';
import { apply, run } from '../kuke/kuke.ts';
import { at, failing, installKiller } from '../kuke-faults/killer.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { difference } from '../observe/inventory.ts';
import { hostState } from './host-state.ts';
import { type Coverage, momentsOf, tell } from './moments.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
  installKiller();
});
afterAll(() => containerd.stop());

const covered: Coverage[] = [];
afterAll(() => tell(covered));

const web = (hugepages: string, fields = {}) => {
  const resources = { hugepages: { '2Mi': hugepages } };
  const containers = [
    container('main', { ports: ['8080:80'], resources, ...fields }),
    container('side', { resources }),
  ];
  return cell('web', containers, { resources });
};

/** One of which a step is refused, when others have been done; at least so many moments, one before and one after each that is undone. */
const operations: [name: string, refused: string, before: object | undefined, then: object, moments: number][] = [
  ['a create', 'runtime.start', undefined, web('32Mi'), 12],
  // What would end the containers is refused: a kuke that finished it in place of undoing it would end them.
  ['a change', 'runtime.stop', web('32Mi'), web('64Mi', { env: ['A=1'] }), 3],
];

test.each(operations)(
  '%s',
  async (name, refused, before, then, moments) => {
    if (before !== undefined) await apply(before);
    const expected = await hostState();
    const coverage: Coverage = { name: `undoing ${name}`, killed: 0, last: 0 };
    covered.push(coverage);
    for (const moment of momentsOf(covered.length, 2)) {
      const env = { ...at(`undo ${moment}`), ...failing(refused) };
      const { status, stderr } = await run(['apply', '-f', '-'], { stdin: JSON.stringify(then), env });
      if (status !== null) {
        expect({ moment, status, stderr }).toMatchObject({
          status: 1,
          stderr: expect.stringContaining('refused by the killer'),
        });
        break;
      }
      coverage.killed++;
      coverage.last = moment;
      const next = await run(['doctor', '--fix']);
      expect({ moment, ...next }).toMatchObject({
        moment,
        status: 0,
        stderr: expect.stringContaining('has been undone'),
      });
      const different = difference(expected, await hostState());
      expect({ moment, different, said: next.stdout + next.stderr }).toMatchObject({ moment, different: [] });
    }
    expect(coverage.last).toBeGreaterThanOrEqual(moments);
  },
  300_000,
);
