import { describe, expect, test } from 'bun:test';
import { resolveUser } from '../../../../plugins/containerd-shim/oci/user.ts';

const files = {
  passwd: `root:x:0:0:root:/root:/bin/sh
# a comment
app:x:1000:1001::/home/app:/bin/false
nohome:x:2000:2000:::
33:x:44:44::/thirty-three:
broken:x:minus-one:0::/:
`,
  group: `root:x:0:root,
app:x:1001:
wheel:x:10:root,app
audio:x:29:app,nobody
bad:x:4294967296:app
`,
};
const resolve = (user: string) => resolveUser(user, files, 'InvalidManifest');

describe('user', () => {
  test.each([
    ['', { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root' }],
    ['root', { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root' }],
    ['app', { uid: 1000, gid: 1001, additionalGids: [1001, 10, 29], home: '/home/app' }],
    ['1000', { uid: 1000, gid: 1001, additionalGids: [1001, 10, 29], home: '/home/app' }],
    ['app:audio', { uid: 1000, gid: 29, additionalGids: [29], home: '/home/app' }],
    ['1000:77', { uid: 1000, gid: 77, additionalGids: [77], home: '/home/app' }],
    ['4321', { uid: 4321, gid: 0, additionalGids: [0], home: '/' }],
    ['4321:4321', { uid: 4321, gid: 4321, additionalGids: [4321], home: '/' }],
    [':audio', { uid: 0, gid: 29, additionalGids: [29], home: '/root' }],
    ['nohome', { uid: 2000, gid: 2000, additionalGids: [2000], home: '/' }],
    // A name made of digits goes before the number.
    ['33', { uid: 44, gid: 44, additionalGids: [44], home: '/thirty-three' }],
  ])('%s', (user, expected) => {
    expect(resolve(user)).toEqual(expected);
  });

  test('numbers need no files, names do', () => {
    expect(resolveUser('', {}, 'InvalidManifest')).toEqual({ uid: 0, gid: 0, additionalGids: [0], home: '/' });
    expect(resolveUser('5:6', {}, 'InvalidManifest')).toEqual({ uid: 5, gid: 6, additionalGids: [6], home: '/' });
    expect(() => resolveUser('root', {}, 'InvalidImage')).toThrow(expect.objectContaining({ code: 'InvalidImage' }));
  });

  test.each(['nobody', 'app:video', '-1', '4294967296', '1000:2147483648', 'broken'])('%s is refused', user => {
    expect(() => resolve(user)).toThrow(
      expect.objectContaining({ code: 'InvalidManifest', message: expect.stringContaining(`"${user}"`) }),
    );
  });
});
