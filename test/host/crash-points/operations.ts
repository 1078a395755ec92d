/** What is done with a stack and its cell while kuke is killed: one operation begins where the other ends. */
import { expect } from 'bun:test';
import { container, manifest } from '../kuke/cells.ts';
import { type Ran, run } from '../kuke/kuke.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { hostState } from './host-state.ts';
import type { Coverage } from './moments.ts';

export interface Operation {
  name: string;
  args: string[];
  stdin?: string;
  /** Applied instead of the same command, each second time. */
  manifests?: string;
  /** At least so many moments, one before and one after each step, less what CI leaves out at the end. */
  moments: number;
}

const manifests = (fields: object, hugepages: string, spec = {}): string => {
  const resources = { hugepages: { '2Mi': hugepages } };
  const containers = [container('main', { ports: ['8080:80'], ...fields }), container('side', { resources })];
  return [manifest('Stack', 'blog'), manifest('Cell', 'web', { stackId: 'blog', resources, containers, ...spec })]
    .map(one => JSON.stringify(one))
    .join('\n---\n');
};

const APPLY = ['apply', '-f', '-'];
const IN_BLOG = ['--stack', 'blog'];
const changed = { ports: ['8081:80'], env: ['A=1'] };
export const operations: Operation[] = [
  { name: 'create', args: APPLY, stdin: manifests({}, '32Mi'), moments: 20 },
  { name: 'change in place', args: APPLY, stdin: manifests({ ports: ['8081:80'] }, '64Mi'), moments: 8 },
  { name: 'change that takes new containers', args: APPLY, stdin: manifests(changed, '64Mi'), moments: 20 },
  {
    name: 'stop',
    args: ['stop', 'cell', 'web', ...IN_BLOG],
    manifests: manifests(changed, '64Mi', { desiredState: 'stopped' }),
    moments: 7,
  },
  {
    name: 'start',
    args: ['start', 'cell', 'web', ...IN_BLOG],
    manifests: manifests(changed, '64Mi', { desiredState: 'running' }),
    moments: 14,
  },
  {
    name: 'delete the stack',
    args: ['delete', 'stack', 'blog', '--cascade', '--force', '--ignore-not-found'],
    moments: 20,
  },
];

/** The same command, or each second time an apply that asks for the same. */
export const again = ({ args, stdin, manifests }: Operation, count: number): Promise<Ran> =>
  manifests !== undefined && count % 2 === 0
    ? run(APPLY, { stdin: manifests })
    : run(args, { ...(stdin !== undefined && { stdin }) });

/** A round of all operations; what the host is like after each. */
async function round(): Promise<Inventory[]> {
  const states: Inventory[] = [];
  for (const operation of operations) {
    const { name } = operation;
    expect({ name, ...(await again(operation, 1)) }).toMatchObject({ name, status: 0 });
    states.push(await hostState());
  }
  return states;
}

/** What the host is like after each operation. What differs although nothing happened would hide what happens: a second round is the same. */
export async function undisturbed(): Promise<Inventory[]> {
  const expected = await round();
  for (const [index, state] of (await round()).entries()) {
    const name = operations[index]?.name;
    expect({ name, different: difference(expected[index] ?? [], state) }).toEqual({ name, different: [] });
  }
  return expected;
}

/** Those that were not gone through to the end; of the last moments `stride` (of points, two a moment) may leave out some. */
export const cutShort = (covered: readonly Coverage[], stride: number): Operation[] =>
  operations.filter(({ moments }, index) => (covered[index]?.last ?? 0) < moments - Math.floor(stride / 2));
