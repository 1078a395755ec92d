import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { cellFaults } from '../../../plugins/cell/schema.ts';
import type { PortMapping } from '../../../src/kernel/backends/index.ts';
import { collides, formatPortMapping, portMapping } from '../../../src/kernel/port-mapping.ts';

const port = fc.integer({ min: 1, max: 65535 });
const mapping = fc.record(
  {
    hostPort: port,
    containerPort: port,
    protocol: fc.constantFrom('tcp', 'udp'),
    hostIP: fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter(address => !address.includes('.')),
    ),
  },
  { requiredKeys: ['hostPort', 'containerPort', 'protocol'] },
);

test('what is written is read back', () => {
  fc.assert(
    fc.property(mapping, given => {
      const read = portMapping(formatPortMapping(given as PortMapping));
      expect({ ...read, hostIP: '' } as PortMapping).toEqual({ ...given, hostIP: '' } as PortMapping);
      expect(read?.hostIP === undefined).toBe(given.hostIP === undefined);
      expect(read && portMapping(formatPortMapping(read))).toEqual(read);
    }),
  );
});

test.each([
  ['80:8080', { hostPort: 80, containerPort: 8080, protocol: 'tcp' }],
  ['80:8080/UDP', { hostPort: 80, containerPort: 8080, protocol: 'udp' }],
  ['127.0.0.1:80:8080', { hostIP: '127.0.0.1', hostPort: 80, containerPort: 8080, protocol: 'tcp' }],
  ['[fd00::1]:80:8080', { hostIP: 'fd00::1', hostPort: 80, containerPort: 8080, protocol: 'tcp' }],
])('%s', (text, expected) => {
  expect(portMapping(text)).toEqual(expected as never);
});

test.each([
  '',
  '80',
  ':80:80',
  '80:80:80',
  '80:',
  '0:1',
  '1:65536',
  '1.2.3:1:1',
  '[1.2.3]:1:1',
  '80:80/',
  '80:80 ',
  '010.0.0.1:1:1',
  '[1::2::3]:1:1',
])('%j is none', text => {
  expect(portMapping(text)).toBeUndefined();
});

test('two collide on one port of one address, or of all', () => {
  const of = (text: string) => portMapping(text) ?? expect.unreachable();
  const both = (a: string, b: string) => [collides(of(a), of(b)), collides(of(b), of(a))];
  expect(both('80:1', '80:2')).toEqual([true, true]);
  expect(both('80:1', '127.0.0.1:80:2')).toEqual([true, true]);
  expect(both('127.0.0.1:80:1', '127.0.0.2:80:2')).toEqual([false, false]);
  expect(both('[::1]:80:1', '[0:0:0:0:0:0:0:1]:80:1')).toEqual([true, true]);
  expect(both('80:1', '80:1/udp')).toEqual([false, false]);
});

describe('in a cell', () => {
  const faults = (...ports: string[][]) =>
    cellFaults({ containers: ports.map((list, i) => ({ id: `c${i}`, image: 'x', ports: list })) });

  test('a port of the host leads to one place', () => {
    expect(faults(['80:80'], ['81:80', '80:90'])).toEqual([
      { path: 'spec.containers[1].ports[1]', message: "port 80 of the host is spec.containers[0].ports[0]'s already" },
    ]);
    expect(faults(['80:80', '80:80/udp'], ['127.0.0.1:81:80'])).toEqual([]);
  });

  test('on the host’s network none is published', () => {
    const containers = [{ id: 'a', image: 'x', hostNetwork: true, ports: ['80:80'] }];
    expect(cellFaults({ containers })).toMatchObject([{ path: 'spec.containers[0].ports[0]' }]);
  });
});
