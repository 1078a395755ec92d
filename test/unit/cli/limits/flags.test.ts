import { describe, expect, test } from 'bun:test';
import { flagOf, limitArgs, limitChanges } from '../../../../src/cli/limits/flags.ts';
import { resourcesSchema } from '../../../../src/kernel/limits/schema.ts';
import { entriesOf } from '../../../../src/kernel/schema.ts';

const changes = (values: Record<string, string>, lists: Record<string, string[]> = {}) => limitChanges(values, lists);

test('every field of the schema has a flag, and every flag a field', () => {
  const fields = Object.entries(entriesOf(resourcesSchema) ?? {}).flatMap(([section, schema]) => {
    const inner = 'wrapped' in schema ? entriesOf(schema.wrapped as typeof schema) : undefined;
    return inner === undefined ? [section] : Object.keys(inner).map(key => `${section}.${key}`);
  });
  expect(fields.length).toBeGreaterThan(10);
  const flags = fields.map(field => flagOf(`spec.resources.${field}`)?.slice(2));
  expect(flags.sort()).toEqual(Object.keys(limitArgs).sort());
});

test.each([
  ['spec.resources.memory.limit', '--memory'],
  ['spec.resources.memory.high', '--memory-high'],
  ['spec.containers[2].resources.io.devices[0].readBps', '--device'],
  ['spec.resources.io.devices', '--device'],
  ['spec.resources.hugepages.2Mi', '--hugepages'],
  ['spec.resources.cpu.cpuset', '--cpuset'],
  ['spec.containers[0].image', undefined],
  ['', undefined],
])('%s is given by %s', (field, flag) => expect(flagOf(field)).toBe(flag));

describe('what flags ask for', () => {
  test('a value, or none of it', () => {
    expect(changes({ memory: '1Gi', cpu: 'none' })).toEqual([
      { keys: ['cpu', 'limit'] },
      { keys: ['memory', 'limit'], value: '1Gi' },
    ]);
    expect(changes({}, { device: [], hugepages: [] })).toEqual([]);
  });

  test('rates of devices, whose paths may hold colons', () => {
    const path = '/dev/disk/by-path/pci-0000:00:04.0';
    expect(
      changes({}, { device: [`${path}:readBps=1Mi,writeIops=100`, '/dev/vdb:none', '/dev/vdc:readBps=none'] }),
    ).toEqual([
      { keys: ['io', 'devices', path, 'readBps'], value: '1Mi' },
      { keys: ['io', 'devices', path, 'writeIops'], value: '100' },
      { keys: ['io', 'devices', '/dev/vdb'] },
      { keys: ['io', 'devices', '/dev/vdc', 'readBps'] },
    ]);
    expect(changes({}, { device: ['none'] })).toEqual([{ keys: ['io', 'devices'] }]);
  });

  test('huge pages by their size', () => {
    expect(changes({}, { hugepages: ['2Mi=64Mi', '1Gi=none'] })).toEqual([
      { keys: ['hugepages', '2Mi'], value: '64Mi' },
      { keys: ['hugepages', '1Gi'] },
    ]);
    expect(changes({}, { hugepages: ['none'] })).toEqual([{ keys: ['hugepages'] }]);
  });

  test.each([
    ['device', '/dev/vda', 'is not PATH:RATE=VALUE'],
    ['device', 'vda:readBps=1', 'is not PATH:RATE=VALUE'],
    ['device', '/dev/vda:', 'is not PATH:RATE=VALUE'],
    ['device', ':readBps=1', 'is not PATH:RATE=VALUE'],
    ['device', '/dev/vda:readBsp=1', 'did you mean `readBps`?'],
    ['device', '/dev/vda:readBps', 'did you mean `readBps`?'],
    ['device', '/dev/vda:readBps=', 'readBps'],
    ['device', '/dev/vda:readBps=1,,writeBps=1', 'is not one of'],
    ['device', '__proto__:readBps=1', 'is not PATH:RATE=VALUE'],
    ['hugepages', '2Mi', 'is not SIZE=LIMIT'],
    ['hugepages', 'big=1Mi', 'is not SIZE=LIMIT'],
    ['hugepages', '__proto__=1Mi', 'is not SIZE=LIMIT'],
    ['hugepages', '2Mi=', 'is not SIZE=LIMIT'],
  ])('--%s %s is refused', (flag, text, why) => {
    expect(() => changes({}, { [flag]: [text] })).toThrow(why);
    expect(() => changes({}, { [flag]: [text] })).toThrow(expect.objectContaining({ code: 'Usage' }));
  });
});
