import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { containerSpec } from '../../../plugins/container/schema.ts';
import { faultsOf, fieldsWith, formatPath, metadataOf, notYet, notYetFor } from '../../../src/kernel/schema.ts';

const spec = v.strictObject({
  name: v.string(),
  size: v.exactOptional(v.pipe(v.number(), v.integer('must be whole'), v.minValue(1, 'must be at least 1'))),
  mode: v.exactOptional(v.picklist(['fast', 'slow'])),
  command: v.exactOptional(v.union([v.pipe(v.string(), v.minLength(1, 'must not be empty')), v.array(v.string())])),
  labels: v.optional(v.record(v.string(), v.string()), {}),
  mounts: v.exactOptional(v.array(v.strictObject({ target: v.string(), readOnly: v.exactOptional(v.boolean()) }))),
  resources: notYet('no limits are set'),
  fixed: v.optional(v.pipe(v.string(), v.metadata({ kuke: { change: 'immutable' } })), 'as it was'),
  kept: v.exactOptional(v.pipe(v.string(), v.metadata({ kuke: { sticky: true } }))),
});

const faults = (value: unknown) => faultsOf(spec, value, ['spec']).map(({ path, message }) => `${path}: ${message}`);

test('of what is known and does nothing yet a fault says so by its code, of what is wrong it does not', () => {
  const codes = (value: unknown) =>
    faultsOf(v.strictObject({ spec, policy }), value, []).map(({ path, code }) => [path, code]);
  const policy = v.exactOptional(
    v.pipe(
      v.picklist(['never', 'always']),
      notYetFor(one => one === 'always', 'nothing restarts it'),
    ),
  );
  expect(codes({ spec: { name: 'a', resources: {} }, policy: 'always' })).toEqual([
    ['spec.resources', 'Unsupported'],
    ['policy', 'Unsupported'],
  ]);
  expect(codes({ spec: { name: 'is known, but' }, policy: 'sometimes' })).toEqual([['policy', undefined]]);
  expect(codes({ spec: { name: 'a' }, policy: 'never' })).toEqual([]);
});

describe('faultsOf', () => {
  test('what is valid has none', () => {
    expect(faults({ name: 'a' })).toEqual([]);
    expect(faults({ name: 'a', command: 'sh', labels: { 'any key': 'x' }, mounts: [], mode: 'fast', size: 3 })).toEqual(
      [],
    );
    expect(faults({ name: 'a', command: ['sh', '-c'] })).toEqual([]);
  });

  test('every unknown field is named, wherever it is, with the nearest known one', () => {
    const value = { nmae: 1, mounts: [{ target: '/a' }, { target: '/b', readonly: true }, { tarket: '/c' }], zzz: 0 };
    expect(faults(value)).toEqual([
      'spec.nmae: unknown field; did you mean `name`?',
      'spec.mounts[1].readonly: unknown field; did you mean `readOnly`?',
      'spec.mounts[2].tarket: unknown field; did you mean `target`?',
      'spec.zzz: unknown field',
      'spec.name: is missing',
      'spec.mounts[2].target: is missing',
    ]);
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    '%s is an unknown field like any other',
    name => {
      const value: unknown = JSON.parse(`{"name": "a", "${name}": {"x": 1}}`);
      expect(faults(value)).toEqual([`spec.${name}: unknown field`]);
    },
  );

  test('nor is any of them lost among labels, where any name will do', () => {
    const labels: unknown = JSON.parse(
      '{"name": "a", "labels": {"constructor": "x", "__proto__": "y", "toString": "z"}}',
    );
    expect(faults(labels)).toEqual([
      'spec.labels.__proto__: cannot be the name of anything here',
      'spec.labels.constructor: cannot be the name of anything here',
    ]);
  });

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'spec: is missing'],
    ['null', null, 'spec: must be a map, not null'],
    ['text', 'x', 'spec: must be a map, not "x"'],
    ['a list', [1], 'spec: must be a map, not a list'],
    ['a number for a string', { name: 5 }, 'spec.name: must be a string, not 5'],
    ['null for a string', { name: null }, 'spec.name: must be a string, not null'],
    ['a map for a list', { name: 'a', mounts: {} }, 'spec.mounts: must be a list, not a map'],
    ['a list for labels', { name: 'a', labels: [] }, 'spec.labels: must be a map, not a list'],
    ['a number as label', { name: 'a', labels: { b: 1 } }, 'spec.labels.b: must be a string, not 1'],
    ['a list in a list', { name: 'a', mounts: [['x']] }, 'spec.mounts[0]: must be a map, not a list'],
    ['a word of no choice', { name: 'a', mode: 'fats' }, 'spec.mode: must be "fast" or "slow", not "fats"'],
    ['a number that is too small', { name: 'a', size: 0 }, 'spec.size: must be at least 1'],
    ['no number', { name: 'a', size: Number.NaN }, 'spec.size: must be a number, not NaN'],
    ['neither of two types', { name: 'a', command: 5 }, 'spec.command: must be a string or a list, not 5'],
    [
      'a fault inside the type that is meant',
      { name: 'a', command: ['sh', 5] },
      'spec.command[1]: must be a string, not 5',
    ],
    ['an empty string of two types', { name: 'a', command: '' }, 'spec.command: must not be empty'],
    [
      'what nothing acts on',
      { name: 'a', resources: null },
      'spec.resources: is known, but this version of kuke does not act on it: no limits are set',
    ],
  ])('%s', (_, value, fault) => {
    expect(faults(value)).toEqual([fault]);
  });

  test('a value without end does not make a message without end', () => {
    const [fault] = faults({ name: 'a', mode: 'x'.repeat(100_000) });
    expect(fault?.length).toBeLessThan(200);
  });

  test('agrees with the schema itself, whatever is given', () => {
    const keys = fc.constantFrom('name', 'size', 'mode', 'command', 'labels', 'mounts', 'resources', 'target', 'nope');
    const { value } = fc.letrec<{ value: unknown }>(tie => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<unknown>('fast', 'a', '', 1, 0, 1.5, true, null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
      ),
    }));
    fc.assert(
      fc.property(value, given => {
        const found = faultsOf(spec, given, []);
        // Stricter than valibot in two things only: lists where maps belong, and fields that nothing acts on yet.
        const extra = found.some(({ message }) => /is known, but|must be a map, not a list/.test(message));
        expect(found.length > 0).toBe(extra || !v.is(spec, given));
        expect(new Set(found.map(({ path, message }) => `${path}: ${message}`)).size).toBe(found.length);
      }),
      { numRuns: 300 },
    );
  });
});

describe('containers', () => {
  const of = (fields: Record<string, unknown>) =>
    faultsOf(containerSpec, { id: 'web', image: 'busybox', ...fields }, []).map(
      ({ path, message }) => `${path}: ${message}`,
    );

  test.each<[string, Record<string, unknown>, string]>([
    ['an id that leads out of its folder', { id: '../../etc' }, 'id: is not a name'],
    ['an id of too many characters', { id: 'a'.repeat(64) }, 'id: has 64 characters'],
    ['the id of the root', { id: 'Root' }, 'id: may not be `root`'],
    ['a port alone', { ports: ['80'] }, 'ports[0]: must be [IP:]HOST:CONTAINER[/tcp|udp], such as'],
    ['a port as a number', { ports: [80] }, 'ports[0]: must be [IP:]HOST:CONTAINER[/tcp|udp] in quotes'],
    ['a port that is none', { ports: ['0:80'] }, 'ports[0]: must be [IP:]HOST:CONTAINER'],
    ['a port beyond the last', { ports: ['80:65536'] }, 'ports[0]: must be [IP:]HOST:CONTAINER'],
    ['the loopback of IPv6', { ports: ['[::1]:80:80'] }, 'ports[0]: cannot be published on ::1'],
    ['another protocol', { ports: ['80:80/sctp'] }, 'ports[0]: must be [IP:]HOST:CONTAINER'],
    ['an address that is none', { ports: ['999.0.0.1:80:80'] }, 'ports[0]: must be [IP:]HOST:CONTAINER'],
    ['an IPv6 address without brackets', { ports: ['::1:80:80'] }, 'ports[0]: must be [IP:]HOST:CONTAINER'],
    ['no memory at all', { resources: { memory: { limit: 0 } } }, 'resources.memory.limit: must be more than 0'],
    ['a policy that is none', { restartPolicy: 'sometimes' }, 'restartPolicy: must be "never" or'],
    ['a named volume', { volumes: [{ kind: 'volume', target: '/x' }] }, 'volumes[0].kind: is known, but'],
    [
      'a bind mount of nothing',
      { volumes: [{ kind: 'bind', target: '/x' }] },
      'volumes[0]: a bind mount needs a source',
    ],
    ['a relative target', { volumes: [{ kind: 'tmpfs', target: 'x' }] }, 'volumes[0].target: must be an absolute path'],
    ['a target that leads up', { volumes: [{ kind: 'tmpfs', target: '/x/../y' }] }, 'volumes[0].target: must not lead'],
    ['the root as target', { tmpfs: [{ path: '//.' }] }, 'tmpfs[0].path: nothing can be mounted at /'],
    ['/proc as target', { tmpfs: [{ path: '/proc/' }] }, 'tmpfs[0].path: nothing can be mounted at /proc'],
    ['a label without a name', { labels: { '': 'x' } }, 'labels: a label needs a name'],
    ['a label that is too long', { labels: { a: 'x'.repeat(4096) } }, 'labels: a label may have 4096 bytes'],
    [
      'a size that no number can hold',
      { tmpfs: [{ path: '/x', sizeBytes: 1e30 }] },
      'tmpfs[0].sizeBytes: must be a whole number',
    ],
    ['a mode that is not octal', { tmpfs: [{ path: '/x', mode: 989 }] }, 'tmpfs[0].mode: must be octal digits'],
    ['a device elsewhere', { devices: ['/dev/../etc/shadow'] }, 'devices[0]: must be a device'],
    ['an environment as a map', { env: { A: 'b' } }, 'env: must be a list, not a map'],
    ['an entry without =', { env: ['A'] }, 'env[0]: must be KEY=VALUE'],
    ['a NUL character', { env: ['A=\0'] }, 'env[0]: must not contain a NUL character'],
    ['an option that is not known', { securityOpts: ['apparmor=x'] }, 'securityOpts[0]: must be no-new-privileges'],
  ])('%s is refused', (_, fields, fault) => {
    const found = of(fields);
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith(fault);
  });
});

describe('metadata', () => {
  test('is found outside and inside of optional', () => {
    expect(metadataOf(spec.entries.fixed)).toEqual({ change: 'immutable' });
    expect(metadataOf(v.pipe(v.optional(v.string(), 'x'), v.metadata({ kuke: { sticky: true } })))).toEqual({
      sticky: true,
    });
    expect(metadataOf(spec.entries.name)).toEqual({});
  });

  test('fieldsWith names the fields that say so', () => {
    expect(fieldsWith(spec, said => said.sticky === true)).toEqual(['kept']);
    expect(fieldsWith(spec, said => said.pending !== undefined)).toEqual(['resources']);
    expect(fieldsWith(v.string(), () => true)).toEqual([]);
  });

  test('formatPath writes what a person would', () => {
    expect(formatPath(['spec', 'containers', 1, 'image'])).toBe('spec.containers[1].image');
    expect(formatPath([])).toBe('');
  });
});
