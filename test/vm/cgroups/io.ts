/** Disks of groups: by what path they are named, what is no disk, and weights. */
import { describe, expect, test } from 'bun:test';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { MOST_IOPS } from '../../../src/kernel/limits/schema.ts';
import { output } from '../../host/observe/command.ts';
import { eventually } from '../../suites/contract.ts';
import { create, file, limit, MI, main, only, seen, vda, vdb, vdc, write } from '../cgroups-under-test.ts';

describe('io', () => {
  test('devices: by any path, one line each, what is limited by hand beside them', async () => {
    await create('/kukeon', main);
    rmSync('/dev/data', { force: true });
    symlinkSync('/dev/vda', '/dev/data');
    const rates = { readBps: 2 * MI, writeBps: MI, readIops: 1000, writeIops: 500 };
    await limit({ 'io.devices': { '/dev/data': rates } });
    expect(file('io.max')).toBe(`${vda} rbps=2097152 wbps=1048576 riops=1000 wiops=500`);
    write('io.max', `${vdb} rbps=4096`);
    expect(await seen({ 'io.devices': { '/dev/data': rates } })).toMatchObject([
      ...Object.entries(rates).map(([rate, current]) => ({
        field: `io.devices./dev/data.${rate}`,
        current,
        manual: false,
        due: false,
      })),
      { field: 'io.devices./dev/vdb.readBps', current: 4096, manual: true, due: false },
    ]);
    // The same device by its own name: nothing is written by hand.
    expect(await limit({ 'io.devices': { '/dev/vda': { writeBps: MI } } })).toEqual([]);
    // One rate of it that is: what is asked for changes beside it.
    write('io.max', `${vda} wiops=77`);
    const byName = (await seen({ 'io.devices': { '/dev/vda': { writeBps: MI } } })).sort((a, b) =>
      a.field < b.field ? -1 : 1,
    );
    expect(byName).toMatchObject([
      { field: 'io.devices./dev/vda.writeBps', manual: false, due: false },
      { field: 'io.devices./dev/vda.writeIops', current: 77, manual: true, due: false },
      { field: 'io.devices./dev/vdb.readBps', manual: true },
    ]);
    expect(await limit({ 'io.devices': { '/dev/vda': { writeBps: 2 * MI } } })).toEqual([]);
    expect(file('io.max')).toContain(`${vda} rbps=max wbps=2097152 riops=max wiops=77`);
    expect(await limit({ 'io.devices': { '/dev/vda': { writeBps: MI } } })).toEqual([]);
    write('io.max', `${vda} wiops=max`);
    expect(file('io.max').split('\n').sort()).toEqual([
      `${vda} rbps=max wbps=1048576 riops=max wiops=max`,
      `${vdb} rbps=4096 wbps=max riops=max wiops=max`,
    ]);
    // A path that means another device now: the old one is let go.
    await limit({ 'io.devices': { '/dev/data': { writeBps: MI } } });
    rmSync('/dev/data');
    symlinkSync('/dev/vdc', '/dev/data');
    expect(await limit({ 'io.devices': { '/dev/data': { writeBps: MI } } })).toEqual([]);
    expect(file('io.max').split('\n').sort()).toEqual([
      `${vdb} rbps=4096 wbps=max riops=max wiops=max`,
      `${vdc} rbps=max wbps=1048576 riops=max wiops=max`,
    ]);
    // Gone altogether: it is said, and what is there can still be lifted.
    rmSync('/dev/data');
    const gone = { 'io.devices': { '/dev/data': { writeBps: MI } } };
    expect((await seen(gone)).find(({ asked }) => asked)).toMatchObject({
      fault: 'there is no device /dev/data',
      due: false,
    });
    await limit({});
    expect(file('io.max')).toBe(`${vdb} rbps=4096 wbps=max riops=max wiops=max`);
    const most = { 'io.devices': { '/dev/vda': { readIops: MOST_IOPS } } };
    await limit(most);
    expect((await seen(most)).find(({ asked }) => asked)).toMatchObject({ due: false, manual: false });
    expect(file('io.max')).toContain(`riops=${MOST_IOPS}`);
  });

  test('a partition, a device twice, and what is no device are refused by name', async () => {
    await create('/kukeon', main);
    // A table with one partition of 1 MiB, from sector 2048 on (mbr).
    const disk = new Uint8Array(4 * MI);
    disk.set([0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0], 446);
    disk.set([0x55, 0xaa], 510);
    writeFileSync('/var/tmp/disk', disk);
    await output('modprobe', 'loop');
    const loop = (await output('losetup', '--partscan', '--find', '--show', '/var/tmp/disk')).trim();
    const fault = async (...paths: string[]) =>
      (await seen({ 'io.devices': Object.fromEntries(paths.map(path => [path, { readBps: MI }])) })).map(
        one => one.fault,
      );
    // It comes and goes while udev looks at the disk too.
    const [said] = await eventually(async () => {
      const faults = await fault(`${loop}p1`);
      return faults[0]?.startsWith('there is no') ? undefined : faults;
    });
    expect(said).toBe(`${loop}p1 is a partition, and the kernel limits whole disks: ${loop}`);
    symlinkSync('/dev/vda', '/dev/again');
    expect(await fault('/dev/vda', '/dev/again', loop)).toEqual([
      undefined,
      '/dev/again is the same device as /dev/vda',
      undefined,
    ]);
    rmSync('/dev/again');
    expect(await fault('/dev/null')).toEqual(['/dev/null is not a block device']);
    await limit({ 'io.devices': { [loop]: { readBps: MI } } });
    expect(file('io.max')).toContain('rbps=1048576');
    await output('losetup', '--detach', loop);
  });

  test('weights count where a disk goes by them', async () => {
    await create('/kukeon', main);
    expect((await only({ 'io.weight': 300 })).notEnforced).toContain('no disk');
    write('io.cost.qos', `${vdb} enable=1`, '');
    expect((await only({ 'io.weight': 300 })).notEnforced).toBeUndefined();
    write('io.cost.qos', `${vdb} enable=0`, '');
    await limit({ 'io.weight': 300 });
    expect(file('io.weight')).toBe('default 300');
    write('io.weight', 'default 20');
    expect(await only({ 'io.weight': 300 })).toMatchObject({ manual: true, current: 20 });
  });
});
