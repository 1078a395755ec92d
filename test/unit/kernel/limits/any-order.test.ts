/** Whatever is done to limits in whatever order: what the groups say is what a person would expect, and nothing is left to do. */
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Outcome } from '../../../../src/kernel/apply.ts';
import type { LimitField, LimitValue } from '../../../../src/kernel/limits/limits.ts';
import { cellRef } from '../kernel-on-fakes.ts';
import { type Limited, leaf, limited, main, START, STOP, stack, to, told, web } from './limited.ts';

const FIELDS = ['memory.limit', 'pids.limit'] as const;
type Wanted = Partial<Record<(typeof FIELDS)[number], number>>;

/** One group as a person thinks of it. */
class Expected {
  asked: Wanted = {};
  values: Partial<Record<LimitField, LimitValue>> = {};
  private found: Partial<Record<LimitField, LimitValue>> = {};

  apply(asked: Wanted): void {
    for (const field of FIELDS) {
      const isAsOurs = this.values[field] === this.found[field];
      if (asked[field] === undefined && isAsOurs) delete this.values[field];
      if (asked[field] !== undefined && asked[field] !== this.asked[field]) this.values[field] = asked[field];
      if (asked[field] === undefined) delete this.found[field];
      else if (asked[field] !== this.asked[field]) this.found[field] = asked[field];
    }
    this.asked = asked;
  }

  write(field: LimitField, value: number): void {
    this.values[field] = value;
  }

  /** The group is a new one. */
  anew(): void {
    const { asked } = this;
    [this.asked, this.values, this.found] = [{}, {}, {}];
    this.apply(asked);
  }
}

const resources = (wanted: Wanted) => ({
  resources: {
    ...(wanted['memory.limit'] !== undefined && { memory: { limit: wanted['memory.limit'] } }),
    ...(wanted['pids.limit'] !== undefined && { pids: { limit: wanted['pids.limit'] } }),
  },
});

interface World {
  kuke: Limited;
  stack: Expected;
  cell: Expected;
  container: Expected;
  runs: boolean;
  /** After a reboot the cell has no group until it is started. */
  hasGroup: boolean;
}

const lacksGroup = ({ runs, hasGroup }: World, at: keyof typeof paths): boolean =>
  (at === 'container' && !runs) || (at === 'cell' && !hasGroup);

const paths = { stack: stack.group, cell: web.group, container: leaf() } as const;
const apply = async ({ kuke, ...world }: World): Promise<Outcome[]> => [
  await kuke.put(stack, resources(world.stack.asked)),
  await kuke.put(web, { ...resources(world.cell.asked), containers: [main(resources(world.container.asked))] }),
];

type Op = (world: World) => Promise<void>;
const value = fc.constantFrom(4096, 8192, 12_288);
const wanted: fc.Arbitrary<Wanted> = fc.oneof(
  fc.constant({}),
  fc.record({ 'memory.limit': value, 'pids.limit': value }, { requiredKeys: [] }),
);
const level = fc.constantFrom('stack', 'cell', 'container');

const operation: fc.Arbitrary<[string, Op]> = fc.oneof(
  fc.tuple(level, wanted).map(([at, given]): [string, Op] => [
    `${at} asks for ${JSON.stringify(given)}`,
    async world => {
      if (lacksGroup(world, at)) world[at].asked = given;
      else world[at].apply(given);
      for (const outcome of await apply(world)) expect(outcome.error?.summary).toBeUndefined();
    },
  ]),
  fc.tuple(level, fc.constantFrom(...FIELDS), value).map(([at, field, given]): [string, Op] => [
    `somebody writes ${field} ${given} of ${at}`,
    async world => {
      if (lacksGroup(world, at)) return;
      world.kuke.write(paths[at], field, given);
      world[at].write(field, given);
    },
  ]),
  fc.constant<[string, Op]>([
    'stop',
    async world => {
      await world.kuke.change(cellRef('web'), to('stopped'), STOP);
      world.runs = false;
    },
  ]),
  fc.constant<[string, Op]>([
    'start',
    async world => {
      await world.kuke.change(cellRef('web'), to('running'), START);
      if (!world.runs) world.container.anew();
      if (!world.hasGroup) world.cell.anew();
      [world.runs, world.hasGroup] = [true, true];
    },
  ]),
  fc.constant<[string, Op]>([
    'reboot',
    async world => {
      world.kuke.host.reboot();
      world.kuke = await limited(await world.kuke.another());
      await apply(world);
      for (const at of ['stack', 'cell', 'container'] as const) world[at].anew();
      world.hasGroup = world.runs;
    },
  ]),
);

test('any order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 14 }), async operations => {
      const kuke = await limited();
      const world: World = {
        kuke,
        stack: new Expected(),
        cell: new Expected(),
        container: new Expected(),
        runs: true,
        hasGroup: true,
      };
      await apply(world);
      for (const [, run] of operations) {
        await run(world);
        for (const at of ['stack', 'cell', 'container'] as const)
          if (!lacksGroup(world, at))
            expect({ at, ...world.kuke.values(paths[at]) }).toEqual({ at, ...world[at].values });
        expect((await apply(world)).map(told)).toEqual(['unchanged', 'unchanged']);
      }
      const leaves = [...world.kuke.host.cgroups.keys()].filter(path => path.startsWith(`${web.group}/`));
      expect(leaves).toEqual(world.runs || leaves.length === 1 ? [leaf()] : []);
    }),
    { numRuns: 60 },
  );
}, 120_000);
