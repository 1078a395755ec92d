/** `kuke cni install` and `uninstall`: whose files they are, what an upgrade renews, and what a crash leaves. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { binary, failing, kuke, run } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';

const TYPES = ['bridge', 'firewall', 'host-local', 'loopback', 'portmap', 'static'];
/** On the file system that is shared with the binary's copy, and on another one. */
const NEAR = '/opt/near';
const FAR = '/tmp/far';
const RECORD = '/opt/kukeon/.kuke/cni-plugins.json';
const PROGRAM = '/opt/programs/kuke';

beforeAll(() => {
  mkdirSync('/opt/programs');
  copyFileSync(binary, PROGRAM);
});
beforeEach(() => {
  expect(existsSync(RECORD)).toBe(false);
});
afterEach(async () => {
  await kuke('cni', 'uninstall');
  for (const folder of [NEAR, FAR]) rmSync(folder, { recursive: true, force: true });
  expect(existsSync('/opt/kukeon')).toBe(false);
});

interface Row {
  plugin: string;
  path: string;
  result: string;
}

async function own(...args: string[]): Promise<Row[]> {
  const program = Bun.spawn([PROGRAM, 'cni', ...args, '-o', 'json'], { stdout: 'pipe', stderr: 'pipe' });
  const rows: unknown = JSON.parse((await program.stdout.text()) || '[]');
  await program.exited;
  return rows as Row[];
}

/** `{ bridge: 'installed', ... }` */
const results = (rows: Row[]) => Object.fromEntries(rows.map(({ plugin, result }) => [plugin, result]));
const all = (result: string) => Object.fromEntries(TYPES.map(type => [type, result]));
const inode = (path: string) => statSync(path).ino;
const identical = (path: string) => Bun.spawnSync(['cmp', path, PROGRAM]).exitCode === 0;

async function script(...args: string[]): Promise<string> {
  const program = Bun.spawn([PROGRAM, 'cni', ...args, '--dry-run', '--explain'], { stdout: 'pipe', stderr: 'pipe' });
  const text = await program.stdout.text();
  expect(await program.exited).toBe(0);
  return text;
}

test.each([NEAR, FAR])('a dry run does nothing, and its script does it all: %s', async folder => {
  expect(results(await own('install', '--dir', `${folder}/bin`, '--dry-run'))).toEqual(all('installed'));
  expect([existsSync(folder), existsSync('/opt/kukeon')]).toEqual([false, false]);
  await output('bash', '-c', await script('install', '--dir', `${folder}/bin`));
  const byHand = readFileSync(RECORD, 'utf8');
  expect(JSON.parse(byHand)).toEqual({ folders: { [`${folder}/bin`]: { made: folder } } });
  expect(statSync(RECORD).mode & 0o777).toBe(0o600);
  expect(results(await own('install', '--dir', `${folder}/bin`))).toEqual(all('unchanged'));
  expect(JSON.parse(readFileSync(RECORD, 'utf8'))).toEqual(JSON.parse(byHand));

  expect(results(await own('uninstall', '--dry-run'))).toEqual(all('removed'));
  expect(TYPES.every(type => identical(`${folder}/bin/${type}`))).toBe(true);
  await output('bash', '-c', await script('uninstall'));
  expect([existsSync(folder), existsSync('/opt/kukeon')]).toEqual([false, false]);
});

/** A kuke of another version: not the same bytes, but the same program. */
function outdated(path: string): void {
  copyFileSync(PROGRAM, path);
  appendFileSync(path, 'older');
}

function vendor(path: string): void {
  copyFileSync('/usr/lib/cni/loopback', path);
}

describe('into a folder that is not there', () => {
  test('on the same file system: hard links', async () => {
    expect(results(await own('install', '--dir', NEAR))).toEqual(all('installed'));
    expect(TYPES.map(type => inode(`${NEAR}/${type}`))).toEqual(TYPES.map(() => inode(PROGRAM)));
    expect(readdirSync(NEAR).sort()).toEqual(TYPES);
    expect(results(await own('install', '--dir', NEAR))).toEqual(all('unchanged'));
    expect(results(await own('uninstall'))).toEqual(all('removed'));
    expect(existsSync(NEAR)).toBe(false);
    expect(existsSync(PROGRAM)).toBe(true);
  });

  test('on another: one copy', async () => {
    expect(results(await own('install', '--dir', `${FAR}/bin`))).toEqual(all('installed'));
    expect(new Set(TYPES.map(type => inode(`${FAR}/bin/${type}`))).size).toBe(1);
    expect(identical(`${FAR}/bin/bridge`)).toBe(true);
    expect(statSync(`${FAR}/bin/bridge`).mode & 0o777).toBe(0o755);
    expect(readdirSync(`${FAR}/bin`).sort()).toEqual(TYPES);
    expect(results(await own('install', '--dir', `${FAR}/bin`))).toEqual(all('unchanged'));
    await own('uninstall');
    expect(existsSync(FAR)).toBe(false);
  });

  test('one that is there already serves for those that come later', async () => {
    mkdirSync(FAR, { recursive: true });
    for (const type of ['bridge', 'loopback']) copyFileSync('/usr/lib/cni/loopback', `${FAR}/${type}`);
    await own('install', '--dir', FAR);
    await own('install', '--dir', FAR, '--force');
    expect(new Set(TYPES.map(type => inode(`${FAR}/${type}`))).size).toBe(1);
  });

  test('what lies there are plugins', async () => {
    await own('install', '--dir', NEAR);
    for (const type of TYPES) {
      const env = { CNI_COMMAND: 'VERSION' };
      const plugin = Bun.spawn([`${NEAR}/${type}`], { env, stdin: Buffer.from('{"cniVersion":"1.0.0"}') });
      expect(await plugin.stdout.json()).toMatchObject({ cniVersion: '1.0.0' });
    }
  });
});

describe('where there is something', () => {
  beforeEach(() => mkdirSync(NEAR));

  test("another vendor's files stay, are named, and the rest is installed", async () => {
    vendor(`${NEAR}/bridge`);
    writeFileSync(`${NEAR}/static`, '#!/bin/sh\n');
    const before = inode(`${NEAR}/bridge`);
    const stderr = await failing(4, 'cni', 'install', '--dir', NEAR);
    expect(stderr).toContain(`in ${NEAR}, bridge, static are another vendor's, and stay`);
    expect(stderr).toContain('--force');
    expect(inode(`${NEAR}/bridge`)).toBe(before);
    expect(results(await own('uninstall'))).toEqual({ ...all('removed'), bridge: 'left', static: 'left' });
    expect(readdirSync(NEAR).sort()).toEqual(['bridge', 'static']);
  });

  test('unless they are to be replaced', async () => {
    vendor(`${NEAR}/bridge`);
    expect(results(await own('install', '--dir', NEAR, '--force'))).toEqual({
      ...all('installed'),
      bridge: 'replaced',
    });
    expect(identical(`${NEAR}/bridge`)).toBe(true);
  });

  test('what stays of pods that the replaced plugins have attached is told; where nothing is replaced, nothing', () => {
    const told = () => Bun.spawnSync([PROGRAM, 'cni', 'install', '--dir', NEAR, '--force']).stderr.toString();
    vendor(`${NEAR}/bridge`);
    expect(told()).toMatch(/iptables-legacy.* ended first$/m);
    expect(told()).toBe('');
  });

  test('an older kuke is renewed: a copy, a hard link, and what an administrator has linked', async () => {
    outdated('/opt/programs/old');
    linkSync('/opt/programs/old', `${NEAR}/bridge`);
    outdated(`${NEAR}/portmap`);
    symlinkSync('/opt/programs/old', `${NEAR}/static`);
    const renewed = { bridge: 'renewed', portmap: 'renewed', static: 'renewed' };
    expect(results(await own('install', '--dir', NEAR))).toEqual({ ...all('installed'), ...renewed });
    expect(TYPES.every(type => inode(`${NEAR}/${type}`) === inode(PROGRAM))).toBe(true);
    expect(identical('/opt/programs/old')).toBe(false);
  });

  test('an older kuke is removed', async () => {
    outdated(`${NEAR}/bridge`);
    expect(results(await own('uninstall', '--dir', NEAR))).toEqual({ ...all('not found'), bridge: 'removed' });
    expect(readdirSync(NEAR)).toEqual([]); // it was not made by kuke
  });

  test('links of an administrator stay', async () => {
    symlinkSync(PROGRAM, `${NEAR}/bridge`);
    symlinkSync('/nowhere', `${NEAR}/static`);
    await own('install', '--dir', NEAR);
    expect(results(await own('uninstall'))).toMatchObject({ bridge: 'left', static: 'left', portmap: 'removed' });
    expect(readlinkSync(`${NEAR}/bridge`)).toBe(PROGRAM);
  });

  test('a folder in the place of a plugin is never replaced', async () => {
    mkdirSync(`${NEAR}/bridge`);
    for (const force of [[], ['--force']]) {
      const stderr = await failing(4, 'cni', 'install', '--dir', NEAR, ...force);
      expect(stderr).toContain(`in ${NEAR}, bridge is a folder, and stays`);
      expect(stderr).toContain('move it away');
      expect(statSync(`${NEAR}/bridge`).isDirectory()).toBe(true);
      expect(identical(`${NEAR}/static`)).toBe(true);
    }
    expect(results(await own('uninstall'))).toEqual({ ...all('removed'), bridge: 'left' });
  });

  test('what a killed install has left is taken away', async () => {
    const stale = `${NEAR}/.bridge.999999-1-0123456789abcdef.tmp`;
    writeFileSync(stale, 'half a program');
    await own('install', '--dir', NEAR);
    expect(existsSync(stale)).toBe(false);
  });

  test('other files are left alone', async () => {
    writeFileSync(`${NEAR}/macvlan`, 'theirs');
    await own('install', '--dir', NEAR);
    await own('uninstall');
    expect(readdirSync(NEAR)).toEqual(['macvlan']);
  });
});

describe('a folder that cannot be', () => {
  afterEach(() => rmSync('/etc/somefile', { force: true }));

  test.each(['/etc/somefile', '/etc/somefile/bin'])('%s is refused, and nothing is recorded', async folder => {
    writeFileSync('/etc/somefile', 'theirs');
    expect(await failing(4, 'cni', 'install', '--dir', folder)).toContain('/etc/somefile');
    expect(existsSync(RECORD)).toBe(false);
    expect(await kuke('uninstall', '--yes')).toContain('there is nothing to remove');
    expect(readFileSync('/etc/somefile', 'utf8')).toBe('theirs');
  });

  test('one in which all is of others is not recorded either', async () => {
    mkdirSync(NEAR);
    for (const type of TYPES) vendor(`${NEAR}/${type}`);
    await failing(4, 'cni', 'install', '--dir', NEAR);
    expect(existsSync(RECORD)).toBe(false);
  });

  test('what was recorded, and is no folder, or is gone, is passed over', async () => {
    await own('install', '--dir', NEAR);
    await own('install', '--dir', `${FAR}/bin`);
    rmSync(NEAR, { recursive: true });
    writeFileSync(NEAR, 'theirs');
    const removed = (await own('uninstall')).filter(({ result }) => result === 'removed');
    expect(removed.map(({ path }) => path)).toEqual(TYPES.map(type => `${FAR}/bin/${type}`));
    expect(readFileSync(NEAR, 'utf8')).toBe('theirs');
    expect(existsSync(FAR)).toBe(false);
    expect(existsSync(RECORD)).toBe(false);
  });

  test('of those that a killed install has begun to make, none stays', async () => {
    await own('install', '--dir', `${FAR}/one/two`);
    rmSync(`${FAR}/one/two`, { recursive: true });
    await own('uninstall');
    expect(existsSync(FAR)).toBe(false);
  });
});

test('one that cannot be written to any more keeps no other from being cleared, and is told of', async () => {
  await own('install', '--dir', NEAR);
  await own('install', '--dir', FAR);
  await output('mount', '--bind', NEAR, NEAR);
  await output('mount', '-o', 'remount,bind,ro', NEAR);
  try {
    const { status, stdout, stderr } = await run(['cni', 'uninstall']);
    expect(status).not.toBe(0);
    expect(stderr).toContain('Read-only file system');
    expect(stderr).toContain(`${NEAR}/bridge`);
    expect(stdout).toContain(`${FAR}/bridge`);
    expect(existsSync(FAR)).toBe(false);
    expect(Object.keys(JSON.parse(readFileSync(RECORD, 'utf8')).folders)).toEqual([NEAR]);
  } finally {
    await output('umount', NEAR);
  }
  expect(results(await own('uninstall'))).toEqual(all('removed'));
});

test('many at once, into several folders', async () => {
  const folders = [NEAR, FAR, NEAR, FAR, NEAR, FAR];
  const done = await Promise.all(folders.map(folder => run(['cni', 'install', '--dir', folder])));
  expect(done.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
    folders.map(() => ({ status: 0, stderr: '' })),
  );
  for (const folder of [NEAR, FAR]) {
    expect(readdirSync(folder).sort()).toEqual(TYPES);
    const copies = new Map(TYPES.map(type => [inode(`${folder}/${type}`), `${folder}/${type}`]));
    expect([...copies.values()].every(identical)).toBe(true);
  }
  expect(Object.keys(JSON.parse(readFileSync(RECORD, 'utf8')).folders).sort()).toEqual([NEAR, FAR].sort());
});

test('the program may be replaced while it runs', async () => {
  const path = '/opt/programs/fleeting';
  const script = `exec ${path} cni install --dir ${NEAR} -o json`;
  copyFileSync(PROGRAM, path);
  chmodSync(path, 0o755);
  // Its file is gone before it looks for it: the shell has opened it by then.
  const child = Bun.spawn([
    'bash',
    '-c',
    `exec 9< ${path}; rm ${path}; exec /proc/self/fd/9 ${script.slice(5 + path.length + 1)}`,
  ]);
  expect(results((await child.stdout.json()) as Row[])).toEqual(all('installed'));
  expect(identical(`${NEAR}/bridge`)).toBe(true);
});

test('the compiled program only, by root only, and into absolute paths only', async () => {
  const bun = Bun.spawnSync([process.execPath, `${import.meta.dir}/../../../src/main.ts`, 'cni', 'install']);
  expect({ status: bun.exitCode, text: bun.stderr.toString() }).toEqual({
    status: 1,
    text: expect.stringContaining('only the compiled program can be a plugin'),
  });
  const nobody = await run(['cni', 'install'], { prefix: ['setpriv', '--reuid=65534', '--clear-groups'] });
  expect({ status: nobody.status, stderr: nobody.stderr }).toEqual({
    status: 5,
    stderr: expect.stringContaining('root'),
  });
  expect(await failing(2, 'cni', 'install', '--dir', 'bin')).toContain('not an absolute path');
});

test('kuke uninstall takes them along also where kuke was never set up', async () => {
  await own('install', '--dir', NEAR);
  const told = await kuke('uninstall', '--yes');
  expect(told).toMatch(new RegExp(`^bridge +removed +${NEAR}/bridge$`, 'm'));
  expect(existsSync(NEAR)).toBe(false);
  expect(await kuke('uninstall', '--yes')).toContain('there is nothing to remove');
});

test('the table', async () => {
  const lines = (await kuke('cni', 'install', '--dir', NEAR)).trimEnd().split('\n');
  expect(lines[0]).toMatch(/^PLUGIN +RESULT +PATH$/);
  expect(lines[1]).toMatch(new RegExp(`^bridge +installed +${NEAR}/bridge$`));
  expect(lines).toHaveLength(7);
  expect((await run(['cni', 'uninstall', '--dir', '/nowhere'])).stdout).toContain('not found');
});
