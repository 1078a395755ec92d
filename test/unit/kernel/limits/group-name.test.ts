import { expect, test } from 'bun:test';
import { groupName } from '../../../../src/kernel/limits/above-and-below.ts';
import { makeObserveContext } from '../../../../src/kernel/observe.ts';
import { makeTree } from '../../../../src/kernel/tree.ts';

test.each([
  ['/kukeon', 'all that kuke runs'],
  ['/kukeon/sea', 'fleet sea'],
  ['/kukeon/sea/boat', 'ship sea/boat'],
  ['/kukeon/sea/boat/1', 'a sailor of ship sea/boat'],
  ['/kukeon/sea/stranger', 'cgroup /kukeon/sea/stranger'],
  ['/kukeon/gone/1', 'cgroup /kukeon/gone/1'],
])('of kinds that nobody has foreseen: %s is %s', async (path, name) => {
  const manifest = (kind: string) => ({ apiVersion: 'v1beta1' as const, kind, metadata: { name: 'x' }, spec: {} });
  const resource = (kind: string, ...names: string[]) => ({
    ref: { kind, path: names },
    manifest: manifest(kind),
    spec: {},
  });
  const tree = makeTree([resource('Fleet', 'sea'), resource('Ship', 'sea', 'boat')], [], {
    lineage: kind => (kind === 'fleet' ? ['fleet'] : ['fleet', 'ship']),
    partOf: kind => (kind === 'Ship' ? 'sailor' : undefined),
  });
  expect(await groupName(makeObserveContext(tree), path)).toBe(name);
});
