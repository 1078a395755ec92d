import { describe, expect, test } from 'bun:test';
import type { ContainerConfig } from 'kuke/plugin';
import { CAPABILITIES } from '../../../../plugins/containerd-shim/oci/defaults.ts';
import { buildSpec } from '../../../../plugins/containerd-shim/oci/spec.ts';

const config: ContainerConfig = {
  namespace: 'kukeon-main',
  id: 'default_blog_web_root',
  image: 'web:1',
  labels: {},
  group: 'default_blog_web',
  hostname: 'web',
  defaultEnv: [],
  env: [],
  mounts: [],
  devices: [],
  capabilities: { add: [], drop: [] },
  privileged: false,
  readOnlyRootFilesystem: false,
  securityOpts: [],
  netns: '/run/netns/kuke-1',
  cgroup: 'kukeon/main/default/blog/web/web_root',
  logPath: '/var/log/kukeon/web.log',
};
const image = {
  name: 'docker.io/library/web:1',
  digest: 'sha256:0',
  entrypoint: [],
  cmd: ['/bin/web'],
  env: [],
  user: '',
  workingDir: '',
  labels: {},
};
const user = { uid: 7, gid: 8, additionalGids: [8, 9], home: '/' };
const host = { arch: 'amd64', kernel: [6, 1] as const, capabilities: new Set(CAPABILITIES) };
const build = (changes: Partial<ContainerConfig> = {}) =>
  buildSpec({ config: { ...config, ...changes }, image, user, host });

describe('OCI spec', () => {
  test('names no controller but the device filter, and no limit', () => {
    const spec = build();
    expect(Object.keys(spec.linux.resources ?? {})).toEqual(['devices']);
    expect(spec.process.rlimits).toBeUndefined();
    expect(spec.process.oomScoreAdj).toBeUndefined();
    expect(spec.linux.cgroupsPath).toBe('/kukeon/main/default/blog/web/web_root');
  });

  test('only the network is shared; without a netns it is the host’s', () => {
    const types = (changes: Partial<ContainerConfig>) => build(changes).linux.namespaces.map(({ type }) => type);
    expect(types({})).toEqual(['pid', 'ipc', 'uts', 'mount', 'cgroup', 'network']);
    expect(build().linux.namespaces.at(-1)).toEqual({ type: 'network', path: '/run/netns/kuke-1' });
    const { netns: _, ...hostNetwork } = config;
    const spec = buildSpec({ config: hostNetwork, image, user, host });
    expect(spec.linux.namespaces.map(({ type }) => type)).not.toContain('network');
    expect(spec.linux.sysctl).toBeUndefined();
  });

  test('one shim a group', () => {
    expect(build().annotations).toEqual({ 'io.containerd.runc.v2.group': 'default_blog_web' });
  });

  test('capabilities are neither inheritable nor ambient', () => {
    expect(Object.keys(build().process.capabilities ?? {})).toEqual(['bounding', 'effective', 'permitted']);
    expect(build({ capabilities: { add: [], drop: ['ALL'] } }).process.capabilities?.bounding).toEqual([]);
  });

  test('user, groups and hostname', () => {
    expect(build().process.user).toEqual({ uid: 7, gid: 8, additionalGids: [8, 9] });
    expect(build().hostname).toBe('web');
    expect(build({ readOnlyRootFilesystem: true }).root).toEqual({ path: 'rootfs', readonly: true });
  });

  test('privileged: nothing masked, nothing filtered', () => {
    expect(build().linux.maskedPaths).toContain('/proc/kcore');
    expect(build().linux.readonlyPaths).toContain('/proc/sys');
    const { linux } = build({ privileged: true });
    expect([linux.maskedPaths, linux.readonlyPaths, linux.seccomp]).toEqual([undefined, undefined, undefined]);
    expect(linux.resources?.devices).toEqual([{ allow: true, access: 'rwm' }]);
  });

  test('seccomp follows the capabilities granted', () => {
    const allowed = (drop: string[]) =>
      build({ capabilities: { add: [], drop } }).linux.seccomp?.syscalls?.some(({ names }) => names.includes('chroot'));
    expect(allowed([])).toBe(true);
    expect(allowed(['SYS_CHROOT'])).toBe(false);
  });
});
