import { describe, expect, test } from 'bun:test';
import { follow } from '../../../plugins/cgroup-v2/limits/record.ts';

const line = (number: string) => `${number} rbps=1`;
const paths = new Map([
  ['8:0', '/dev/sda'],
  ['8:16', '/dev/sdb'],
]);
const followed = (found: Record<string, string>, asked: Record<string, string>) =>
  follow({ asked: {}, found }, new Map(Object.entries(asked)), number => paths.get(number)).found;

describe('what was written for a device', () => {
  test('is that of the path that it was asked for by', () => {
    const found = { 'io.devices./dev/sda.readBps': line('8:0'), 'memory.limit': '4096' };
    expect(followed(found, { '/dev/sda': '8:0' })).toEqual(found);
    expect(followed(found, {})).toEqual(found);
  });

  test('goes by another path of the same device', () => {
    expect(followed({ 'io.devices./dev/data.readBps': line('8:0') }, { '/dev/sda': '8:0' })).toEqual({
      'io.devices./dev/sda.readBps': line('8:0'),
    });
  });

  test('stays that device’s when its path comes to mean another', () => {
    expect(followed({ 'io.devices./dev/data.readBps': line('8:0') }, { '/dev/data': '8:16' })).toEqual({
      'io.devices./dev/sda.readBps': line('8:0'),
    });
    expect(followed({ 'io.devices./dev/data.readBps': line('9:9') }, { '/dev/data': '8:16' })).toEqual({});
  });

  test('is not lost when two paths change places', () => {
    const found = { 'io.devices./dev/a.readBps': line('8:0'), 'io.devices./dev/b.readBps': line('8:16') };
    expect(followed(found, { '/dev/a': '8:16', '/dev/b': '8:0' })).toEqual({
      'io.devices./dev/a.readBps': line('8:16'),
      'io.devices./dev/b.readBps': line('8:0'),
    });
  });
});
