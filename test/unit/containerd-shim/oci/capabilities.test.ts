import { describe, expect, test } from 'bun:test';
import { boundingSet, grantedCapabilities } from '../../../../plugins/containerd-shim/oci/capabilities.ts';
import { CAPABILITIES } from '../../../../plugins/containerd-shim/oci/defaults.ts';

const available = new Set([...CAPABILITIES, 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN']);
const granted = (request: { privileged?: boolean; add?: string[]; drop?: string[] }) =>
  grantedCapabilities({ privileged: false, add: [], drop: [], available, ...request }).toSorted();

describe('capabilities', () => {
  test('Docker gives 14 by default', () => {
    expect(granted({})).toEqual(CAPABILITIES.toSorted());
    expect(CAPABILITIES).toHaveLength(14);
  });

  test('added and dropped by name, with or without CAP_, in either case', () => {
    expect(granted({ add: ['net_admin'] })).toContain('CAP_NET_ADMIN');
    expect(granted({ drop: ['CAP_CHOWN', 'kill'] })).toEqual(
      CAPABILITIES.filter(name => name !== 'CAP_CHOWN' && name !== 'CAP_KILL').toSorted(),
    );
  });

  test('drop ALL leaves what is added', () => {
    expect(granted({ drop: ['ALL'] })).toEqual([]);
    expect(granted({ drop: ['all'], add: ['NET_BIND_SERVICE'] })).toEqual(['CAP_NET_BIND_SERVICE']);
  });

  test('ALL and privileged go as far as the host has them, less what is dropped', () => {
    expect(granted({ add: ['ALL'] })).toEqual([...available].toSorted());
    expect(granted({ privileged: true })).toEqual([...available].toSorted());
    expect(granted({ privileged: true, drop: ['SYS_ADMIN'] })).not.toContain('CAP_SYS_ADMIN');
    expect(granted({ add: ['ALL', 'SYS_ADMIN'], drop: ['SYS_ADMIN'] })).not.toContain('CAP_SYS_ADMIN');
  });

  test('a default that the host lacks is left out; one asked for by name is an error', () => {
    const few = new Set(['CAP_CHOWN']);
    expect(grantedCapabilities({ privileged: false, add: [], drop: [], available: few })).toEqual(['CAP_CHOWN']);
    expect(() => granted({ add: ['SYS_RESOURCE', 'NET_ADMIN'] })).toThrow(
      expect.objectContaining({ code: 'Unsupported', message: expect.stringContaining('CAP_SYS_RESOURCE:') }),
    );
  });

  test('a name that is none is refused, and the field named', () => {
    for (const [request, field] of [
      [{ add: ['NET_ADMINS'] }, 'capabilities.add'],
      [{ drop: [''] }, 'capabilities.drop'],
    ] as const) {
      expect(() => granted({ ...request } as { add?: string[] })).toThrow(
        expect.objectContaining({ code: 'InvalidManifest', details: expect.objectContaining({ field }) }),
      );
    }
  });

  test("reads a process's bounding set as the kernel counts it", async () => {
    const bits = /CapBnd:\s*(\w+)/.exec(await Bun.file('/proc/self/status').text())?.[1] ?? '';
    const count = [...BigInt(`0x${bits}`).toString(2)].filter(bit => bit === '1').length;
    expect(boundingSet('self').size).toBe(count);
    expect(boundingSet(process.pid)).toEqual(boundingSet('self'));
  });
});
