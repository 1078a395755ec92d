/** What systemd is given to run kukeond by. */
import { describe, expect, test } from 'bun:test';
import { unitText } from '../../../src/daemon/unit.ts';

const settingsOf = (text: string, key: string) =>
  text
    .split('\n')
    .filter(line => line.startsWith(`${key}=`))
    .map(line => line.slice(key.length + 1));

describe('the unit', () => {
  const text = unitText(['/usr/local/bin/kuke', 'daemon', 'serve'], 'kukeond');

  test('tells systemd when it is ready and whether it hangs, comes back after a crash, and leaves containers alone', () => {
    expect(settingsOf(text, 'ExecStart')).toEqual(['/usr/local/bin/kuke daemon serve']);
    expect(settingsOf(text, 'Type')).toEqual(['notify']);
    expect(settingsOf(text, 'Restart')).toEqual(['on-failure']);
    expect(settingsOf(text, 'KillMode')).toEqual(['process']);
    expect(Number(settingsOf(text, 'WatchdogSec')[0])).toBeGreaterThan(0);
    expect(settingsOf(text, 'WantedBy')).toEqual(['multi-user.target']);
  });

  test('has no mount namespace of its own, in which mounts for cells would stay unseen', () => {
    const owning =
      /^(?:Private(?:Tmp|Devices|Mounts)|Protect(?:System|Home|Kernel\w+|ControlGroups)|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|TemporaryFileSystem|BindPaths|RootDirectory|MountFlags|StateDirectory|RuntimeDirectory)=/m;
    expect(text).not.toMatch(owning);
  });

  test.each([
    ['/srv/my kuke/bin', '"/srv/my kuke/bin"'],
    ['/srv/100%', '/srv/100%%'],
    ['/srv/$HOME', '"/srv/$$HOME"'],
    ['/srv/a"b\\c', '"/srv/a\\"b\\\\c"'],
  ])('%s is one word, as it is: %s', (word, quoted) => {
    expect(settingsOf(unitText(['/bin/kuke', '--run-path', word], ''), 'ExecStart')).toEqual([
      `/bin/kuke --run-path ${quoted}`,
    ]);
  });

  test('a line’s end in a path would begin another setting', () => {
    expect(() => unitText(['/bin/kuke', '/srv/a\nExecStop=/bin/x'], '')).toThrow(RangeError);
  });
});
