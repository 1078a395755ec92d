/** Credentials of `docker login`. */
import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { changeableByOthers } from '../../../src/host/trusted-path.ts';
import * as registry from '../../../src/registry/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'kuke-docker-'));
chmodSync(folder, 0o700);
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'config.json');

function readDockerConfig(from: string) {
  const helperFolders = [folder, '/usr/bin', '/bin'];
  const { credentials } = registry.readDockerConfig({ path: from, helperFolders, changeableByOthers });
  return { credentials: (server: string, signal = new AbortController().signal) => credentials(server, signal) };
}
function config(content: unknown) {
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return readDockerConfig(path);
}
const auth = btoa('alice:p:w');
const alice = { username: 'alice', password: 'p:w' };

describe('auths', () => {
  test.each([
    ['docker.io', { 'https://index.docker.io/v1/': { auth } }, alice],
    ['docker.io', { 'index.docker.io': { auth } }, alice],
    ['docker.io', { 'docker.io': { auth } }, alice],
    ['ghcr.io', { 'ghcr.io': { auth } }, alice],
    ['ghcr.io', { 'https://ghcr.io/v1/': { auth } }, alice],
    ['r.example:5000', { 'r.example:5000': { username: 'alice', password: 'p:w' } }, alice],
    ['r.example', { 'r.example': { auth: btoa('alice:p:w\0\0') } }, alice],
    ['r.example', { 'r.example': { auth, identitytoken: 'abc' } }, { identityToken: 'abc' }],
    ['r.example', { 'r.example': {} }, undefined],
    ['r.example', { 'r.example:5000': { auth } }, undefined],
    ['r.example', { 'other.example': { auth } }, undefined],
  ])('%s in %o', async (server, auths, credentials) => {
    expect(await config({ auths }).credentials(server)).toEqual(credentials);
  });

  test('no file: none', async () => {
    expect(await readDockerConfig(join(folder, 'gone.json')).credentials('x')).toBeUndefined();
  });

  test.each([
    '',
    '{',
    '[]',
    '5',
    '{"auths":[]}',
    '{"auths":{"x":5}}',
    '{"auths":{"x":{"auth":"c2VjcmV0"}}}',
    '{"credHelpers":{"x":"../y"}}',
  ])('malformed, it is named, and nothing of it told: %s', async text => {
    const error = await config(text)
      .credentials('x')
      .then(
        () => undefined,
        one => one,
      );
    expect(error).toMatchObject({ code: 'configuration' });
    expect(error.message).toContain(path);
    expect(error.message).not.toContain('c2VjcmV0');
    expect(error.message).not.toContain('secret');
  });
});

describe('programs that keep credentials', () => {
  function program(name: string, script: string, mode = 0o755) {
    const file = join(folder, `docker-credential-${name}`);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, mode);
  }

  test('are asked by the server’s name, and come before the file', async () => {
    program(
      'one',
      `read -r server; [ "$1" = get ] && printf '{"ServerURL":"%s","Username":"%s","Secret":"s"}' "$server" "$server"`,
    );
    const { credentials } = config({
      credHelpers: { 'r.example': 'one' },
      credsStore: 'gone',
      auths: { 'r.example': { auth } },
    });
    expect(await credentials('r.example')).toEqual({ username: 'r.example', password: 's' });
    expect(await config({ credsStore: 'one' }).credentials('docker.io')).toEqual({
      username: 'https://index.docker.io/v1/',
      password: 's',
    });
  });

  test('a token in place of a name is an identity token', async () => {
    program('token', `echo '{"Username":"<token>","Secret":"abc"}'`);
    expect(await config({ credsStore: 'token' }).credentials('x')).toEqual({ identityToken: 'abc' });
  });

  test('that have none leave it to the file', async () => {
    program('none', 'echo "credentials not found in native keychain"; exit 1');
    expect(await config({ credsStore: 'none', auths: { x: { auth } } }).credentials('x')).toEqual(alice);
  });

  test.each([
    ['fails', 'echo "the keychain is locked"; exit 1', 0o755, 'exit 1: the keychain is locked'],
    ['says nothing', 'true', 0o755, 'no Username and Secret'],
    ['says too much', 'yes', 0o755, 'killed'],
    ['others can write', 'true', 0o777, 'can be changed by others'],
    ['is not there', '', 0o644, 'there is none in'],
  ])('that %s: named with what to do', async (_, script, mode, fault) => {
    program('bad', script, mode);
    const error = await config({ credsStore: 'bad' })
      .credentials('x')
      .then(
        () => undefined,
        one => one,
      );
    expect(error).toMatchObject({ code: 'configuration' });
    expect(error.message).toContain(fault);
    expect(error.message).toContain('docker-credential-bad');
  });

  test('are ended with what they were asked for, also where what they started goes on', async () => {
    program('slow', 'echo > "$0.asked"; sleep 1000 & wait');
    const controller = new AbortController();
    const asked = config({ credsStore: 'slow' }).credentials('x', controller.signal);
    while (!existsSync(join(folder, 'docker-credential-slow.asked'))) await Bun.sleep(5);
    const [left] = Bun.spawnSync(['pgrep', '-f', join(folder, 'docker-credential-slow')])
      .stdout.toString()
      .split('\n');
    controller.abort(new Error('called off'));
    await expect(asked).rejects.toThrow('called off');
    for (const gone = () => !existsSync(`/proc/${left}/root`); !gone(); ) await Bun.sleep(5);
  });

  test('in a folder that others can change are not run', async () => {
    program('moved', `echo '{"Username":"u","Secret":"s"}'`);
    chmodSync(folder, 0o777);
    const asked = config({ credsStore: 'moved' }).credentials('x');
    await expect(asked).rejects.toMatchObject({
      message: expect.stringContaining(`${folder} can be changed by others`),
    });
    chmodSync(folder, 0o700);
  });

  test('get nothing of our environment that could run code in them', async () => {
    program('env', `printf '{"Username":"u","Secret":"%s"}' "$(env | tr '\\n' ' ')"`);
    process.env.BUN_OPTIONS = '--smol';
    process.env.LD_PRELOAD = '';
    process.env.AWS_PROFILE = 'mine';
    const found = await config({ credsStore: 'env' }).credentials('x');
    for (const name of ['BUN_OPTIONS', 'LD_PRELOAD', 'AWS_PROFILE']) delete process.env[name];
    expect(JSON.stringify(found)).toContain('AWS_PROFILE=mine');
    expect(JSON.stringify(found)).not.toMatch(/BUN_OPTIONS|LD_PRELOAD/);
  });
});
