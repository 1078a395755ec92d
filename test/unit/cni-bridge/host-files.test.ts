/** Files of the host that this plugin keeps or cleans: what it has to remember, and host-local's reservations. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostStateFile } from '../../../plugins/cni-bridge/host-state.ts';
import { releaseReservations, removeReservations } from '../../../plugins/cni-bridge/reservations.ts';
import { failure } from '../../suites/contract.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-host-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('what has to be remembered', () => {
  const path = () => join(folder, '.kuke/cni-bridge.json');

  test('is written only when there is something, by root alone, and read again', async () => {
    const state = hostStateFile(folder);
    await state.update(() => {});
    expect(existsSync(path())).toBe(false);
    expect(await state.read()).toEqual({ folders: {}, sysctl: {} });
    await Promise.all([
      state.update(({ sysctl }) => void Object.assign(sysctl, { 'net.ipv4.ip_forward': '0' })),
      ...['/a', '/b', '/c'].map(name =>
        state.update(({ folders }) => void Object.assign(folders, { [name]: { made: name } })),
      ),
    ]);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(await hostStateFile(folder).read()).toEqual({
      folders: { '/a': { made: '/a' }, '/b': { made: '/b' }, '/c': { made: '/c' } },
      sysctl: { 'net.ipv4.ip_forward': '0' },
    });
    await state.remove();
    expect(existsSync(path())).toBe(false);
  });

  test('a change that fails changes nothing, and holds up no other', async () => {
    const state = hostStateFile(folder);
    const failed = state.update(({ sysctl }) => {
      sysctl.x = '1';
      throw new Error('no');
    });
    const other = state.update(({ sysctl }) => void Object.assign(sysctl, { y: '2' }));
    await expect(failed).rejects.toThrow('no');
    await other;
    expect((await state.read()).sysctl).toEqual({ y: '2' });
  });

  test.each(['', '{', '{"folders": []}', '{"folders": {}, "sysctl": {"x": 1}}'])('a file with %j', async text => {
    mkdirSync(join(folder, '.kuke'));
    writeFileSync(path(), text);
    const error = await failure(hostStateFile(folder).read(), 'MetadataCorrupt');
    expect(error.message).toStartWith(`${path()}: `);
  });
});

describe('reservations', () => {
  beforeEach(() => {
    mkdirSync(join(folder, 'main-x'));
    const files = {
      '10.88.0.2': 'cell-1\r\neth0',
      '10.88.0.3': 'cell-2\n',
      '10.88.0.4': 'cell-11\r\neth0',
      'fd00::2': 'cell-1\r\neth0',
      'last_reserved_ip.0': 'cell-1',
      lock: '',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'main-x', name), text);
  });
  const addresses = () => readdirSync(join(folder, 'main-x')).filter(name => /^(?:10|fd)/.test(name));
  const release = (network: string, containerId: string) =>
    releaseReservations(folder, network, { containerId, ifName: 'eth0' });

  test('of an attachment are freed, old forms too; those of others and the bookkeeping stay', async () => {
    await release('main-x', 'cell-1');
    expect(addresses().sort()).toEqual(['10.88.0.3', '10.88.0.4']);
    await release('main-x', 'cell-2');
    expect(addresses()).toEqual(['10.88.0.4']);
    expect(readdirSync(join(folder, 'main-x'))).toContain('last_reserved_ip.0');
    await release('main-none', 'cell-1');
    expect(readdirSync(folder)).toEqual(['main-x']);
  });

  test('of a network go with their folder, and nothing outside of it', async () => {
    await expect(removeReservations(join(folder, 'main-x'), '../main-x')).rejects.toThrow('is no network name');
    await expect(removeReservations(folder, '')).rejects.toThrow('is no network name');
    await removeReservations(folder, 'main-x');
    await removeReservations(folder, 'main-x');
    expect(readdirSync(folder)).toEqual([]);
  });

  test('that can’t be freed are told of in the kernel’s words', async () => {
    writeFileSync(join(folder, 'lockless'), '');
    mkdirSync(join(folder, 'locked', 'lock'), { recursive: true });
    await expect(release('locked', 'cell-1')).rejects.toMatchObject({ name: 'SystemError', code: 'EISDIR' });
    await release('lockless', 'cell-1');
  });
});
