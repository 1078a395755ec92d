/** What a process in a container really gets, seen from inside it and from the kernel's files about it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { boundingSet } from '../../../plugins/containerd-shim/oci/capabilities.ts';
import { MASKED_PATHS } from '../../../plugins/containerd-shim/oci/defaults.ts';
import { listenerPid } from '../../../plugins/containerd-shim/runtime/host.ts';
import { context, failure } from '../../suites/contract.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox } from '../image.ts';
import { output } from '../observe/command.ts';
import * as ctr from '../observe/containerd.ts';
import { mounts } from '../observe/system.ts';
import { containersOf, importImage, NAMESPACE, runtimeOn } from './runtime-under-test.ts';

const runtime = runtimeOn();
const { create, remove, run, running, start } = containersOf(runtime);
let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
  await runtime.createNamespace({ namespace: NAMESPACE }, context());
  await importImage(NAMESPACE, { config: { Env: ['FROM=image'], User: 'user', WorkingDir: '/srv' } });
});
afterAll(() => containerd.stop());
afterEach(async () => {
  for (const { id } of await runtime.observe({ namespace: NAMESPACE })) await remove(id);
  expect(await ctr.containers(NAMESPACE)).toEqual([]);
});

const status = (pid: number, field: string) =>
  new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]?.trim();
const inside = (pid: number, command: string) =>
  output('nsenter', '-t', `${pid}`, '-m', '-p', '--', 'sh', '-c', command);
const mountedAt = (table: string, target: string) =>
  table.split('\n').find(line => line.split(' ')[1] === target) ?? '';

describe('identity', () => {
  test("the image's user, directory and environment hold where the manifest says nothing", async () => {
    const { output } = await run('id -u; id -g; pwd; echo $FROM $HOME $HOSTNAME; hostname; echo "[$TERM]"');
    expect(output.split('\n')).toEqual(['1000', '1000', '/srv', 'image /home/user cell', 'cell', '[]', '']);
  });

  test('user by name and group by number; a directory that is not there is made', async () => {
    const { output } = await run('id; pwd', { user: 'root:77', workingDir: '/var/new/dir' });
    expect(output).toMatch(/^uid=0\(root\) gid=77 groups=77\n\/var\/new\/dir\n$/);
  });

  test('supplementary groups', async () => {
    const groups = 'root:x:0:\nuser:x:1000:\nwheel:x:10:root,user\n';
    const name = 'docker.io/library/groups:1';
    await importImage(NAMESPACE, { name, layers: [busybox(), { 'etc/group': groups }] });
    const pid = await running('a', { image: name, user: 'user' });
    expect(status(pid, 'Groups')).toBe('10 1000');
    await remove('a');
  });

  test("an image's links never lead to the host's users", async () => {
    mkdirSync('/tmp/host', { recursive: true });
    writeFileSync('/tmp/host/passwd', 'intruder:x:0:0::/:\n');
    const name = 'docker.io/library/links:1';
    await importImage(NAMESPACE, {
      name,
      layers: [busybox(), { 'etc/passwd': { symlink: '../../../tmp/host/passwd' } }],
    });
    const error = await failure(create('a', { image: name, user: 'intruder' }), 'InvalidManifest');
    expect(error.message).toContain('no intruder');
    await create('b', { image: name, user: '5:6' });
    await remove('b');
    expect((await ctr.snapshots(NAMESPACE)).filter(({ kind }) => kind === 'Active')).toEqual([]);
  });

  test('what was mounted to look up users is gone', async () => {
    await create('a');
    expect(mounts().filter(({ target }) => target.startsWith('/run/kuke'))).toEqual([]);
    expect(existsSync(`/run/kuke-users-${NAMESPACE}-a`)).toBe(false);
  });
});

describe('privileges', () => {
  // What `docker run busybox grep Cap /proc/self/status` shows.
  const DOCKERS = '00000000a80425fb';
  const NONE = '0000000000000000';

  test("Docker's 14 capabilities, seccomp, and new privileges allowed", async () => {
    const pid = await running('a', { user: '0' });
    for (const set of ['CapBnd', 'CapEff', 'CapPrm']) expect(status(pid, set)).toBe(DOCKERS);
    for (const set of ['CapInh', 'CapAmb']) expect(status(pid, set)).toBe(NONE);
    expect(status(pid, 'Seccomp')).toBe('2');
    expect(status(pid, 'NoNewPrivs')).toBe('0');
  });

  test('another user than root has none in effect', async () => {
    const pid = await running('a');
    expect(status(pid, 'CapEff')).toBe(NONE);
    expect(status(pid, 'CapBnd')).toBe(DOCKERS);
  });

  test('added and dropped', async () => {
    const capabilities = { add: ['NET_ADMIN'], drop: ['ALL'] };
    const pid = await running('a', { user: '0', capabilities });
    expect(status(pid, 'CapBnd')).toBe('0000000000001000');
  });

  test('one that containerd itself may not have is refused by name', async () => {
    const lacking = ['CAP_SYS_RESOURCE', 'CAP_SYS_BOOT'].find(name => !boundingSet(containerd.pid).has(name));
    const capabilities = { add: [lacking ?? 'CAP_NONSENSE'], drop: [] };
    const error = await failure(create('a', { capabilities }), lacking ? 'Unsupported' : 'InvalidManifest');
    expect(error.message).toContain(lacking ?? 'CAP_NONSENSE');
    expect(error.details.field).toBe('capabilities.add');
  });

  test('no-new-privileges and seccomp=unconfined', async () => {
    const pid = await running('a', { securityOpts: ['no-new-privileges', 'seccomp=unconfined'] });
    expect(status(pid, 'NoNewPrivs')).toBe('1');
    expect(status(pid, 'Seccomp')).toBe('0');
  });

  test('seccomp=FILE in Docker’s format is in force', async () => {
    const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }];
    writeFileSync('/tmp/profile.json', JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }));
    const { output, exitCode } = await run('mkdir /tmp/x', { securityOpts: ['seccomp=/tmp/profile.json'] });
    expect(output).toContain('No space left on device');
    expect(exitCode).toBe(1);
  });

  test('the default profile forbids what it should', async () => {
    const { output } = await run('unshare -U true || echo 1; mount -t tmpfs x /tmp || echo 2', { user: '0' });
    expect(output).toContain('1\n');
    expect(output).toContain('2\n');
    const unconfined = await run('unshare -U true && echo made', { user: '0', securityOpts: ['seccomp=unconfined'] });
    expect(unconfined.output).toBe('made\n');
  });

  test('privileged: all that containerd has, and no seccomp, no masks, a writable /sys', async () => {
    const pid = await running('a', { user: '0', privileged: true });
    expect(status(pid, 'CapBnd')).toBe(status(containerd.pid, 'CapBnd'));
    expect(status(pid, 'Seccomp')).toBe('0');
    const table = await inside(pid, 'cat /proc/mounts');
    expect(mountedAt(table, '/sys')).toMatch(/ rw,/);
    for (const path of MASKED_PATHS) expect(mountedAt(table, path)).toBe('');
    expect(await inside(pid, 'dd if=/dev/full of=/dev/null count=1 2>&1')).toContain('1+0 records');
    for (const device of ['/dev/loop-control', '/dev/kvm', '/dev/fuse'].filter(path => existsSync(path))) {
      expect(await inside(pid, `ls ${device}`)).toBe(`${device}\n`);
    }
  });

  test("containerd's process is found behind its socket", () => {
    expect(listenerPid(containerd.address)).toBe(containerd.pid);
  });
});

describe('file systems', () => {
  test('masked and read-only paths, /dev/shm, /sys and cgroups', async () => {
    const pid = await running('a', { user: '0' });
    const table = await inside(pid, 'cat /proc/mounts');
    const masked = MASKED_PATHS.filter(path => existsSync(path));
    expect(masked).not.toEqual([]);
    for (const path of masked) expect(mountedAt(table, path)).toContain('tmpfs');
    expect(mountedAt(table, '/proc/sys')).toContain(' ro,');
    expect(mountedAt(table, '/sys')).toContain(' ro,');
    expect(mountedAt(table, '/sys/fs/cgroup')).toContain(' ro,');
    expect(mountedAt(table, '/dev/shm')).toContain('size=65536k');
    expect(mountedAt(table, '/dev/mqueue')).toContain('mqueue');
    expect(await inside(pid, 'cat /proc/timer_list /proc/keys 2>/dev/null; ls /sys/firmware')).toBe('');
    expect(await inside(pid, 'cat /sys/fs/cgroup/cgroup.procs | head -1')).not.toBe('');
  });

  test('a read-only root file system', async () => {
    const { output } = await run('touch /x; touch /dev/shm/x && echo shm', { user: '0', readOnlyRootFilesystem: true });
    expect(output).toContain('Read-only file system');
    expect(output).toContain('shm');
  });

  test('the writable layer is the container’s own', async () => {
    expect((await run('echo mine > /tmp/x; cat /srv/file')).output).toBe('from the image\n');
    expect((await run('cat /tmp/x')).exitCode).toBe(1);
  });

  test('bind mounts, with what is mounted below them, read-only all the way down', async () => {
    mkdirSync('/tmp/source/below', { recursive: true });
    await output('mount', '-t', 'tmpfs', 'below', '/tmp/source/below');
    try {
      writeFileSync('/tmp/source/below/file', 'seen\n');
      const mount = { kind: 'bind' as const, source: '/tmp/source' };
      const { output } = await run('cat /rw/below/file; touch /ro/x; touch /ro/below/x; touch /rw/below/y', {
        user: '0',
        mounts: [
          { ...mount, target: '/ro', readOnly: true },
          { ...mount, target: '/rw' },
        ],
      });
      expect(output).toContain('seen\n');
      expect(output.match(/Read-only file system/g)).toHaveLength(2);
      expect(existsSync('/tmp/source/below/y')).toBe(true);
    } finally {
      await output('umount', '/tmp/source/below');
      rmSync('/tmp/source', { recursive: true });
    }
  });

  test('a single file, as the managed /etc/hosts is', async () => {
    writeFileSync('/tmp/hosts', '10.0.0.1 web\n');
    const { output } = await run('cat /etc/hosts', {
      mounts: [{ kind: 'bind', source: '/tmp/hosts', target: '/etc/hosts' }],
    });
    expect(output).toBe('10.0.0.1 web\n');
  });

  test('a target whose parent is a link in the image stays inside', async () => {
    const name = 'docker.io/library/out:1';
    await importImage(NAMESPACE, { name, layers: [busybox(), { out: { symlink: '/../../../../tmp' } }] });
    const mount = { kind: 'tmpfs' as const, target: '/out/inside' };
    const { output } = await run('grep inside /proc/mounts', { image: name, user: '0', mounts: [mount] });
    expect(output).toStartWith('tmpfs /tmp/inside tmpfs');
    expect(existsSync('/tmp/inside')).toBe(false);
  });

  test('tmpfs with size and mode', async () => {
    const { output } = await run(
      'df -k /scratch | tail -1; stat -c %a /scratch; dd if=/dev/zero of=/scratch/x bs=1M count=2',
      {
        mounts: [{ kind: 'tmpfs', target: '/scratch', sizeBytes: 1 << 20, mode: '1770' }],
        user: '0',
      },
    );
    expect(output).toMatch(/tmpfs +1024 /);
    expect(output).toContain('\n1770\n');
    expect(output).toContain('No space left on device');
  });

  test('a missing source is refused before anything is made', async () => {
    const mount = { kind: 'bind' as const, source: '/nonexistent', target: '/data' };
    const error = await failure(create('a', { mounts: [mount] }), 'NotFound');
    expect(error.message).toContain('/nonexistent');
    expect(error.details.field).toBe('volumes.source');
    expect((await ctr.snapshots(NAMESPACE)).map(({ key }) => key)).not.toContain('a');
  });
});

describe('devices', () => {
  test('the few that every container has; no other, not even by a node of one’s own', async () => {
    const { output } = await run(
      'for d in null zero full random urandom tty ptmx; do test -c /dev/$d && echo $d; done; head -c 3 /dev/zero | wc -c;' +
        'mknod /tmp/kmsg c 1 11; cat /tmp/kmsg',
      { user: '0' },
    );
    expect(output).toContain('null\nzero\nfull\nrandom\nurandom\ntty\nptmx\n3\n');
    expect(output).toMatch(/\/tmp\/kmsg.*Operation not permitted/);
  });

  test('one that is named', async () => {
    mkdirSync('/tmp/devices', { recursive: true });
    // The kernel log: there on every host, and not for every container.
    await output('mknod', '/tmp/devices/log', 'c', '1', '11');
    chmodSync('/tmp/devices/log', 0o640);
    chownSync('/tmp/devices/log', 0, 7);
    const device = '/tmp/devices/log:/dev/kernel-log:rm';
    const { output: seen } = await run('stat -c "%a %g %t %T" /dev/kernel-log; : > /dev/kernel-log', {
      user: '0',
      devices: [device],
    });
    expect(seen).toStartWith('640 7 1 b\n');
    expect(seen).toContain('Operation not permitted');
    rmSync('/tmp/devices', { recursive: true });
  });
});

describe('namespaces', () => {
  const namespaceOf = (pid: number | 'self', kind: string) => statSync(`/proc/${pid}/ns/${kind}`).ino;

  test('all of its own, but the network: that of the path', async () => {
    await output('ip', 'netns', 'add', 'kuke-test');
    try {
      const netns = '/run/netns/kuke-test';
      const [a, b] = [await running('a', { netns }), await running('b', { netns })];
      for (const pid of [a, b]) expect(namespaceOf(pid, 'net')).toBe(statSync(netns).ino);
      for (const kind of ['pid', 'ipc', 'uts', 'mnt', 'cgroup']) {
        expect(new Set([namespaceOf(a, kind), namespaceOf(b, kind), namespaceOf('self', kind)]).size).toBe(3);
      }
      const sysctl = await output(
        'ip',
        'netns',
        'exec',
        'kuke-test',
        'cat',
        '/proc/sys/net/ipv4/ip_unprivileged_port_start',
      );
      expect(sysctl).toBe('0\n');
      await remove('a');
      await remove('b');
    } finally {
      await output('ip', 'netns', 'del', 'kuke-test');
    }
  });

  test('the host’s network without a path, and its parameters untouched', async () => {
    const path = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
    const before = readFileSync(path, 'utf8');
    const pid = await running('a');
    expect(namespaceOf(pid, 'net')).toBe(namespaceOf('self', 'net'));
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  test('a leaf cgroup at the place given', async () => {
    const pid = await running('a', { cgroup: 'kukeon/test/leaf' });
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain('0::/kukeon/test/leaf\n');
    await remove('a');
    expect(existsSync('/sys/fs/cgroup/kukeon/test/leaf')).toBe(false);
  });
});

describe('the hook', () => {
  test('may change the specification, and sees whose it is', async () => {
    const seen: string[] = [];
    const hooked = containersOf(
      runtimeOn({
        specHook({ container, spec }) {
          seen.push(container.id);
          spec.process.env.push('GREETING=hello');
        },
      }),
    );
    expect((await hooked.run('echo $GREETING')).output).toBe('hello\n');
    expect(seen).toHaveLength(1);
  });

  test('that throws leaves nothing', async () => {
    const broken = runtimeOn({
      specHook() {
        throw new Error('the hook is broken');
      },
    });
    const error = await failure(containersOf(broken).create('a'));
    expect(error.message).toContain('the hook is broken');
    expect((await ctr.snapshots(NAMESPACE)).map(({ key }) => key)).not.toContain('a');
  });
});

test('both streams are in the log, also when one of them is closed long before the other', async () => {
  const { output } = await run(
    'echo first; echo second >&2; exec >&-; for i in 3 4 5; do echo $i >&2; sleep 0.05; done',
  );
  expect(output.split('\n').toSorted()).toEqual(['', '3', '4', '5', 'first', 'second']);
});

test('logs are for root, and a link in their place is not followed', async () => {
  await running('a');
  expect(statSync('/var/log/kukeon/test/a.log').mode & 0o777).toBe(0o640);
  await remove('a');
  rmSync('/var/log/kukeon/test/a.log');
  symlinkSync('/tmp/elsewhere', '/var/log/kukeon/test/a.log');
  await create('a');
  const error = await failure(start('a'));
  expect(error.message).toContain('ELOOP');
  expect(existsSync('/tmp/elsewhere')).toBe(false);
  rmSync('/var/log/kukeon/test/a.log');
});
