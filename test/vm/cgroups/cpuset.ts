/** CPUs of groups. */
import { expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { shellIn } from '../../host/cgroup-v2/backend-under-test.ts';
import { cell, createCell, file, leaf, limit, main, seen } from '../cgroups-under-test.ts';

test('CPUs are given back while something runs on them', async () => {
  await createCell();
  await leaf('web_root');
  const inside = `${cell}/web_root`;
  await shellIn(inside);
  for (const path of [inside, cell, main]) {
    await limit({ 'cpu.cpuset': '1' }, path);
    expect(file('cpuset.cpus.effective', inside)).toBe('1');
    await limit({}, path);
    expect(file('cpuset.cpus.effective', inside)).toBe('0-1');
    expect(await seen({}, path)).toEqual([]);
  }
  // One that is off while a list is lifted counts again when it is back.
  const power = '/sys/devices/system/cpu/cpu1/online';
  await limit({ 'cpu.cpuset': '0' }, cell);
  writeFileSync(power, '0');
  try {
    await limit({}, cell);
    expect(await seen({}, cell)).toEqual([]);
  } finally {
    writeFileSync(power, '1');
  }
  expect(file('cpuset.cpus.effective', inside)).toBe('0-1');
  expect(await seen({}, cell)).toEqual([]);
});
