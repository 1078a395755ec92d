/** Settings by /etc/kukeon/kuke.yaml, variables and flags, as the compiled program takes them; without containerd. */
import { beforeAll, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './kuke.ts';

const FILE = '/etc/kukeon/kuke.yaml';
const runPath = '/run/settings';

beforeAll(() => {
  for (const [realm, space] of [
    ['main', 'default'],
    ['lab', 'dmz'],
  ] as const) {
    mkdirSync(join(runPath, realm, space), { recursive: true });
    const write = (kind: string, path: string, name: string, spec: object) => {
      const manifest = { apiVersion: 'v1beta1', kind, metadata: { name }, spec };
      writeFileSync(join(runPath, path, `${kind.toLowerCase()}.yaml`), `${JSON.stringify(manifest)}\n`);
    };
    write('Realm', realm, realm, {});
    write('Space', join(realm, space), space, { realmId: realm });
  }
  mkdirSync('/etc/kukeon', { recursive: true });
  writeFileSync(FILE, `runPath: ${runPath}\nrealm: lab\noutput: name\n`);
});

test('the file, over it variables, and over them flags', async () => {
  expect(await run(['get', 'spaces'])).toEqual({ status: 0, stdout: 'space/dmz\n', stderr: '' });
  expect((await run(['get', 'spaces'], { env: { KUKE_REALM: 'main' } })).stdout).toBe('space/default\n');
  expect((await run(['get', 'spaces', '--realm', 'lab'], { env: { KUKE_REALM: 'main' } })).stdout).toBe('space/dmz\n');
  expect((await run(['--realm', 'main', 'get', 'spaces'])).stdout).toBe('space/default\n');
  expect((await run(['get', 'realms'], { env: { KUKE_RUN_PATH: '/nowhere' } })).stdout).toBe('');
  expect(JSON.parse((await run(['version'], { env: { KUKE_OUTPUT: 'json' } })).stdout)).toHaveProperty('version');
  expect((await run(['version', '-o', 'text'], { env: { KUKE_OUTPUT: 'json' } })).stdout).toStartWith('kuke ');
});

test('what makes no sense is told by its source, and an unknown key by its line', async () => {
  const refused = async (env: Record<string, string>) => {
    const { status, stderr } = await run(['get', 'realms'], { env });
    return [status, stderr];
  };
  expect(await refused({ KUKE_QUIET: 'perhaps' })).toEqual([
    2,
    expect.stringContaining('KUKE_QUIET: `perhaps` is neither'),
  ]);
  expect(await refused({ KUKE_LOCK_TIMEOUT: 'soon' })).toEqual([
    2,
    expect.stringContaining('KUKE_LOCK_TIMEOUT: `soon`'),
  ]);
  writeFileSync(FILE, `runPath: ${runPath}\nlockTimout: 5m\n`);
  expect(await refused({})).toEqual([
    2,
    expect.stringContaining(`${FILE}:2:1: lockTimout: unknown field; did you mean \`lockTimeout\`?`),
  ]);
  writeFileSync(FILE, `runPath: ${runPath}\nspace: a b\n`);
  expect(await refused({})).toEqual([2, expect.stringContaining(`${FILE}: space: \`a b\` is not a name`)]);
});

test('a file that others can change is not read, for it names what runs as root', async () => {
  writeFileSync(FILE, `runPath: ${runPath}\n`);
  chmodSync(FILE, 0o664);
  const { status, stdout, stderr } = await run(['get', 'realms']);
  expect([status, stdout, stderr]).toEqual([
    5,
    '',
    expect.stringMatching(/kuke\.yaml can be changed by others .*chmod/),
  ]);
  chmodSync(FILE, 0o644);
  chmodSync('/etc/kukeon', 0o777);
  expect((await run(['get', 'realms'])).status).toBe(5);
  chmodSync('/etc/kukeon', 0o755);
  expect((await run(['get', 'realms', '-o', 'name'])).stdout).toBe('realm/lab\nrealm/main\n');
});
