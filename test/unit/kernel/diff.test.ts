import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { diffSpecs, valueAt } from '../../../src/kernel/diff.ts';

const inPlace = { kuke: { change: 'in-place' } } as const;
const recreate = { kuke: { change: 'recreate' } } as const;
const immutable = { kuke: { change: 'immutable' } } as const;

const spec = v.strictObject({
  title: v.exactOptional(v.string()),
  fixed: v.exactOptional(v.pipe(v.string(), v.metadata(immutable))),
  network: v.exactOptional(
    v.strictObject({
      subnet: v.exactOptional(v.pipe(v.string(), v.metadata(immutable))),
      mtu: v.exactOptional(v.number()),
    }),
  ),
  labels: v.exactOptional(v.record(v.string(), v.string())),
  containers: v.pipe(
    v.optional(
      v.array(
        v.strictObject({
          id: v.string(),
          image: v.exactOptional(v.string()),
          policy: v.exactOptional(v.pipe(v.string(), v.metadata(inPlace))),
          args: v.exactOptional(v.array(v.string())),
        }),
      ),
      [],
    ),
    v.metadata(recreate),
  ),
});

const diff = (from: unknown, to: unknown) =>
  diffSpecs(spec, from, to).map(({ path, from, to, change }) => [path, from, to, change]);

describe('diffSpecs', () => {
  test('names each field that differs, with what it was, what it is to be, and what that takes', () => {
    const from = { title: 'a', labels: { x: '1', y: '2' } };
    const to = { labels: { y: '3', z: '4' }, fixed: 'f' };
    expect(diff(from, to)).toEqual([
      ['spec.title', 'a', undefined, 'in-place'],
      ['spec.labels.x', '1', undefined, 'in-place'],
      ['spec.labels.y', '2', '3', 'in-place'],
      ['spec.labels.z', undefined, '4', 'in-place'],
      ['spec.fixed', undefined, 'f', 'immutable'],
    ]);
  });

  test('elements with an id go by it, wherever they stand in the list', () => {
    const from = {
      containers: [
        { id: 'a', image: '1' },
        { id: 'b', image: '1', policy: 'never' },
      ],
    };
    const to = { containers: [{ id: 'c' }, { id: 'b', image: '2', policy: 'always' }, { id: 'a', image: '1' }] };
    expect(diff(from, to)).toEqual([
      ['spec.containers[b].image', '1', '2', 'recreate'],
      ['spec.containers[b].policy', 'never', 'always', 'in-place'],
      ['spec.containers[c]', undefined, { id: 'c' }, 'recreate'],
    ]);
    const [image] = diffSpecs(spec, from, to);
    expect(image?.keys).toEqual(['containers', 'b', 'image']);
  });

  test('an element that is new, gone or the first is whole', () => {
    expect(diff({}, { containers: [{ id: 'a' }] })).toEqual([
      ['spec.containers', undefined, [{ id: 'a' }], 'recreate'],
    ]);
    expect(diff({ containers: [] }, { containers: [{ id: 'a' }] })).toEqual([
      ['spec.containers[a]', undefined, { id: 'a' }, 'recreate'],
    ]);
    expect(diff({ containers: [{ id: 'a' }] }, { containers: [] })).toEqual([
      ['spec.containers[a]', { id: 'a' }, undefined, 'recreate'],
    ]);
  });

  test('lists without ids, or with one twice, count as a whole and in their order', () => {
    const args = (...list: string[]) => ({ containers: [{ id: 'a', args: list }] });
    expect(diff(args('x', 'y'), args('y', 'x'))).toEqual([
      ['spec.containers[a].args', ['x', 'y'], ['y', 'x'], 'recreate'],
    ]);
    const twice = { containers: [{ id: 'a' }, { id: 'a', image: '1' }] };
    expect(diff(twice, { containers: [{ id: 'a' }, { id: 'a', image: '2' }] })).toHaveLength(1);
  });

  test('what is fixed is guarded also when the map around it is new or goes', () => {
    const network = { network: { subnet: '10.0.0.0/8', mtu: 1400 } };
    const mtu = 'spec.network.mtu';
    expect(diff({}, network)).toEqual([
      ['spec.network.subnet', undefined, '10.0.0.0/8', 'immutable'],
      [mtu, undefined, 1400, 'in-place'],
    ]);
    expect(diff(network, {})).toEqual([
      ['spec.network.subnet', '10.0.0.0/8', undefined, 'immutable'],
      [mtu, 1400, undefined, 'in-place'],
    ]);
  });

  test('a map that is empty and one that is not there are the same', () => {
    expect(diff({ network: {}, labels: {} }, {})).toEqual([]);
  });

  test('another type is a change like any other', () => {
    expect(diff({ title: 'a' }, { title: { x: 1 } })).toEqual([['spec.title', 'a', { x: 1 }, 'in-place']]);
    expect(diff({ containers: [{ id: 'a' }] }, { containers: 'a' })).toHaveLength(1);
  });

  test('names of JavaScript’s own are fields like others', () => {
    const labels = (value: string): unknown =>
      JSON.parse(`{"labels": {"constructor": "${value}", "__proto__": "${value}", "[x]": "${value}"}}`);
    expect(diff(labels('a'), labels('a'))).toEqual([]);
    expect(diff({}, labels('a')).map(([path]) => path)).toEqual([
      'spec.labels.constructor',
      'spec.labels.__proto__',
      'spec.labels.[x]',
    ]);
  });

  const id = fc.constantFrom('a', 'b', 'c');
  const given = fc.record(
    {
      title: fc.string({ maxLength: 2 }),
      fixed: fc.string({ maxLength: 1 }),
      network: fc.record({ subnet: fc.constantFrom('x', 'y'), mtu: fc.nat({ max: 2 }) }, { requiredKeys: [] }),
      labels: fc.dictionary(fc.constantFrom('a', 'b', 'toString'), fc.constantFrom('1', '2')),
      containers: fc.uniqueArray(
        fc.record(
          { id, image: fc.constantFrom('1', '2'), args: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }) },
          { requiredKeys: ['id'] },
        ),
        { selector: one => one.id, maxLength: 3 },
      ),
    },
    { requiredKeys: [] },
  );

  test('finds nothing between a spec and itself, in whatever order its keys and elements are', () => {
    const turned = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.some(one => typeof one === 'object') ? value.map(turned).reverse() : value;
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .map(([key, one]) => [key, turned(one)])
          .reverse(),
      );
    };
    fc.assert(fc.property(given, one => diff(one, turned(structuredClone(one))).length === 0));
  });

  test('what it finds leads back: each change names what stands in either spec', () => {
    fc.assert(
      fc.property(given, given, (one, other) => {
        const there = diffSpecs(spec, one, other);
        for (const { keys, from, to } of there) {
          expect(valueAt(one, keys)).toEqual(from);
          expect(valueAt(other, keys)).toEqual(to);
        }
        const back = diffSpecs(spec, other, one);
        expect(new Set(back.map(({ path }) => path))).toEqual(new Set(there.map(({ path }) => path)));
      }),
    );
  });
});
