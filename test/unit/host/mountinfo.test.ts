import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { cgroup2MountPoint, mountOf, parseMountinfo, unescapeOctal } from '../../../src/host/mountinfo.ts';

const HYBRID = `23 1 254:0 / / rw,relatime - ext4 /dev/root rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
38 31 0:31 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
`;

test('every field of a line, with any number of optional ones', () => {
  const [mount] = parseMountinfo(
    '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n',
  );
  expect(mount).toEqual({
    id: 36,
    parent: 35,
    device: '98:0',
    root: '/mnt1',
    mountPoint: '/mnt2',
    options: ['rw', 'noatime'],
    propagation: ['master:1', 'shared:7'],
    fsType: 'ext3',
    source: '/dev/root',
    superOptions: ['rw', 'errors=continue'],
  });
  expect(parseMountinfo('36 35 98:0 / /a rw - tmpfs  rw\n')[0]).toMatchObject({ source: '', superOptions: ['rw'] }); // mount "" /a
  expect(parseMountinfo('36 35 98:0 / /- rw - tmpfs - rw\n')[0]).toMatchObject({ mountPoint: '/-', source: '-' });
});

test('a line that is none is refused with its text', () => {
  expect(() => parseMountinfo('36 35 98:0 / /a rw tmpfs x rw')).toThrow(
    'not a line of mountinfo: "36 35 98:0 / /a rw tmpfs x rw"',
  );
  expect(() => parseMountinfo('36 - tmpfs')).toThrow('not a line');
});

/** What the kernel does in show_mountinfo(): mangle(s, " \t\n\\#"). */
const escapeAsKernel = (text: string) =>
  text.replace(/[ \t\n\\#]/g, character => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);

test('unescaping undoes what the kernel escapes, for any path', () => {
  const anything = fc.string({
    unit: fc.constantFrom(' ', '\t', '\n', '\\', '#', '0', '1', '3', '4', '-', '/', 'ä', '\u{1f600}'),
  });
  fc.assert(fc.property(anything, text => expect(unescapeOctal(escapeAsKernel(text))).toBe(text)));
  const path = fc
    .array(anything.filter(part => part !== '' && !part.includes('/')))
    .map(parts => `/${parts.join('/')}`);
  fc.assert(
    fc.property(path, path, (root, mountPoint) => {
      const line = `5 1 0:7 ${escapeAsKernel(root)} ${escapeAsKernel(mountPoint)} rw - tmpfs tmpfs rw\n`;
      expect(parseMountinfo(line)).toMatchObject([{ root, mountPoint }]);
    }),
  );
});

test('the mount of a path is the innermost one, by whole components', () => {
  const mounts = parseMountinfo(HYBRID);
  expect(mountOf(mounts, '/sys/fs/cgroup/cpu/a')?.id).toBe(32);
  expect(mountOf(mounts, '/sys/fs/cgroup/cpuacct')?.id).toBe(31);
  expect(mountOf(mounts, '/etc')?.id).toBe(23);
  expect(mountOf(mounts, '/sys/fs/cgroup/unified/a')?.mountPoint).toBe('/sys/fs/cgroup/unified');
  expect(mountOf([], '/etc')).toBeUndefined();
});

test('what is mounted over hides what was there before', () => {
  const mounts = parseMountinfo(`${HYBRID}40 31 0:50 / /sys/fs/cgroup rw - tmpfs over rw
41 38 0:51 / /sys/fs/cgroup/unified rw - tmpfs top rw
42 1 0:52 / /elsewhere rw - tmpfs unreachable rw
`);
  expect(mountOf(mounts, '/sys/fs/cgroup/unified/a')?.id).toBe(40);
  expect(mountOf(mounts, '/elsewhere/x')?.id).toBe(23);
  expect(cgroup2MountPoint(mounts)).toBeUndefined();
  const stacked = mounts.filter(mount => mount.id !== 40);
  expect(mountOf(stacked, '/sys/fs/cgroup/unified/a')?.id).toBe(41);
});

test('cgroup2 is found where it is, and the whole of it rather than a part', () => {
  expect(cgroup2MountPoint(parseMountinfo(HYBRID))).toBe('/sys/fs/cgroup/unified');
  expect(cgroup2MountPoint(parseMountinfo('23 1 254:0 / / rw - ext4 /dev/root rw\n'))).toBeUndefined();
  const two = `23 1 254:0 / / rw - ext4 /dev/root rw
30 23 0:31 /a/b /srv/part rw - cgroup2 cgroup2 rw
31 23 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
`;
  expect(cgroup2MountPoint(parseMountinfo(two))).toBe('/sys/fs/cgroup');
});
