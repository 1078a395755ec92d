import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CAPABILITIES } from '../../../../plugins/containerd-shim/oci/defaults.ts';
import { type OciSeccomp, readProfile, resolveProfile } from '../../../../plugins/containerd-shim/oci/seccomp.ts';
import { DEFAULT_PROFILE } from '../../../../plugins/containerd-shim/oci/seccomp-profile.ts';
import { security } from '../../../../plugins/containerd-shim/oci/security.ts';

const target = { capabilities: CAPABILITIES, arch: 'amd64', kernel: [6, 1] as const };
const rulesFor = ({ syscalls = [] }: OciSeccomp, name: string) => syscalls.filter(({ names }) => names.includes(name));

describe('the default profile', () => {
  const resolved = resolveProfile(DEFAULT_PROFILE, target);

  test('denies with EPERM what it does not name', () => {
    expect(resolved.defaultAction).toBe('SCMP_ACT_ERRNO');
    expect(resolved.defaultErrnoRet).toBe(1);
  });

  test('names no system call twice for the same reason', () => {
    const everywhere = resolved.syscalls?.find(({ names }) => names.length > 100)?.names ?? [];
    expect(new Set(everywhere).size).toBe(everywhere.length);
    expect(everywhere.every(name => /^[a-z0-9_]+$/.test(name))).toBe(true);
  });

  test.each(['read', 'openat2', 'execve', 'futex_waitv', 'chroot', 'landlock_restrict_self', 'mknod'])(
    'allows %s',
    name => {
      expect(rulesFor(resolved, name)).toMatchObject([{ action: 'SCMP_ACT_ALLOW' }]);
    },
  );

  test.each([
    'mount',
    'bpf',
    'reboot',
    'init_module',
    'io_uring_setup',
    'keyctl',
    'kexec_load',
    'userfaultfd',
    'setns',
  ])('does not allow %s', name => {
    expect(rulesFor(resolved, name)).toEqual([]);
  });

  test('clone without namespaces only; clone3 as if there were none, so that the C library uses clone', () => {
    expect(rulesFor(resolved, 'clone')).toEqual([
      {
        names: ['clone'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
    ]);
    expect(rulesFor(resolved, 'clone3')).toEqual([{ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }]);
  });

  test('a capability brings its system calls', () => {
    const admin = resolveProfile(DEFAULT_PROFILE, { ...target, capabilities: ['CAP_SYS_ADMIN', 'CAP_SYS_TIME'] });
    for (const name of ['mount', 'setns', 'clone', 'clone3', 'clock_settime']) {
      expect(rulesFor(admin, name)).toMatchObject([{ action: 'SCMP_ACT_ALLOW' }]);
      expect(rulesFor(admin, name)[0]?.args).toBeUndefined();
    }
    expect(rulesFor(admin, 'chroot')).toEqual([]);
  });

  test('no socket of a virtual machine or of the kernel’s ciphers, whatever the upper half of the argument says', () => {
    const rules = rulesFor(resolved, 'socket').map(({ args }) => args?.[0]);
    const allows = (family: number) =>
      rules.some(arg => (arg?.op === 'SCMP_CMP_LT' ? family < arg.value : family === arg?.value));
    expect([1, 2, 10, 16, 17].every(allows)).toBe(true);
    expect([38, 40, 2 ** 32 + 40].some(allows)).toBe(false);
  });

  test('follows the architecture', () => {
    expect(resolved.architectures).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
    expect(rulesFor(resolved, 'arch_prctl')).toHaveLength(1);
    const arm = resolveProfile(DEFAULT_PROFILE, { ...target, arch: 'arm64' });
    expect(arm.architectures).toEqual(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
    expect(rulesFor(arm, 'arch_prctl')).toEqual([]);
    expect(rulesFor(arm, 'cacheflush')).toHaveLength(1);
  });
});

describe("a user's profile", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kuke-seccomp-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (content: unknown) => {
    const path = join(folder, 'profile.json');
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };

  test("may be in Docker's format, conditions and all", () => {
    const path = write({
      comment: 'ours',
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [
        { name: 'chmod', action: 'SCMP_ACT_ERRNO', errnoRet: 13, args: null, comment: 'no' },
        { names: ['a'], action: 'SCMP_ACT_ERRNO', includes: { minKernel: '6.1' } },
        { names: ['b'], action: 'SCMP_ACT_ERRNO', includes: { minKernel: '6.2' } },
        { names: ['c'], action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_CHOWN'] } },
        { names: ['d'], action: 'SCMP_ACT_ERRNO', excludes: { arches: ['arm64'] }, includes: {} },
      ],
    });
    expect(resolveProfile(readProfile(path), target)).toEqual({
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [
        { names: ['chmod'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 },
        { names: ['a'], action: 'SCMP_ACT_ERRNO' },
        { names: ['d'], action: 'SCMP_ACT_ERRNO' },
      ],
    });
  });

  test.each([
    ['{"defaultAction":', 'JSON'],
    [{}, 'defaultAction:'],
    [{ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['x'] }] }, 'syscalls.0.action:'],
    [
      { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ action: 'x', args: [{ index: 9, value: 0, op: 'x' }] }] },
      'args.0.index:',
    ],
  ])('%j is refused, the file and the place named', (content, words) => {
    const path = write(content);
    expect(() => readProfile(path)).toThrow(
      expect.objectContaining({
        code: 'InvalidManifest',
        details: expect.objectContaining({ field: 'securityOpts', step: expect.stringContaining(path) }),
        message: expect.stringContaining(words),
      }),
    );
  });

  test('a contradiction is refused', () => {
    const both = { defaultAction: 'x', architectures: ['a'], archMap: [{ architecture: 'b', subArchitectures: null }] };
    expect(() => resolveProfile(readProfile(write(both)), target)).toThrow('either architectures or archMap');
    const twoNames = { defaultAction: 'x', syscalls: [{ name: 'a', names: ['b'], action: 'y' }] };
    expect(() => resolveProfile(readProfile(write(twoNames)), target)).toThrow('either name or names');
  });

  test('must be a regular file at an absolute path', () => {
    expect(() => readProfile('profile.json')).toThrow('absolute');
    expect(() => readProfile(join(folder, 'nope.json'))).toThrow('ENOENT');
    expect(() => readProfile('/dev/zero')).toThrow('regular file');
  });
});

describe('securityOpts', () => {
  test('by default: the default profile, and new privileges allowed', () => {
    expect(security([], false)).toEqual({ noNewPrivileges: false, seccomp: DEFAULT_PROFILE });
    expect(security([], true)).toEqual({ noNewPrivileges: false, seccomp: undefined });
  });

  test('are understood', () => {
    expect(security(['no-new-privileges', 'seccomp=unconfined'], false)).toEqual({
      noNewPrivileges: true,
      seccomp: undefined,
    });
    expect(security(['no-new-privileges=false'], false).noNewPrivileges).toBe(false);
  });

  test.each(['apparmor=unconfined', 'no-new-privileges=maybe', 'seccomp', 'seccomp=', ''])('%s is refused', option => {
    expect(() => security([option], false)).toThrow(expect.objectContaining({ code: 'InvalidManifest' }));
  });
});
