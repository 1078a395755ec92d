import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CniError } from '../../../src/cni/errors.ts';
import { execPlugin, findPlugin } from '../../../src/cni/exec.ts';
import type { InvokeRequest } from '../../../src/cni/invoke.ts';
import { type PluginFolder, pluginFolder, RESULT, say } from './scripted-plugin.ts';

let folder: PluginFolder;
beforeEach(() => {
  folder = pluginFolder();
});
afterEach(() => folder[Symbol.dispose]());

function request(more: Partial<InvokeRequest> = {}): InvokeRequest {
  return {
    command: 'ADD',
    plugin: 'p',
    network: 'net',
    path: [folder.path],
    config: { name: 'net' },
    timeoutMs: 20_000,
    ...more,
  };
}

async function failure(more: Partial<InvokeRequest> = {}): Promise<CniError> {
  const outcome = await execPlugin(request(more)).catch((error: unknown) => error);
  if (!(outcome instanceof CniError)) throw new Error(`expected a CniError, got ${JSON.stringify(outcome)}`);
  return outcome;
}

/** Resolves when the process whose pid a plugin wrote to a file has ended (a zombie has). */
async function ended(pidFile: string): Promise<void> {
  const stat = `/proc/${readFileSync(join(folder.path, pidFile), 'utf8').trim()}/stat`;
  while (existsSync(stat) && !/\) Z /.test(readFileSync(stat, 'utf8'))) await Bun.sleep(5);
}

test('the plugin is told the parameters in its environment, and nothing else is in it', async () => {
  process.env.BUN_OPTIONS = '--smol';
  process.env.CNI_STRAY = 'stray';
  try {
    folder.plugin('p', say(RESULT));
    const answer = await execPlugin(
      request({
        containerId: 'c1',
        netns: '/run/netns/x',
        ifName: 'eth0',
        args: 'A=1;B=2',
        config: { name: 'net', type: 'p' },
      }),
    );
    expect(answer).toEqual(RESULT);
  } finally {
    delete process.env.BUN_OPTIONS;
    delete process.env.CNI_STRAY;
  }
  // The shell adds PWD, OLDPWD, SHLVL and _ by itself.
  const { PWD, OLDPWD: _, SHLVL: _s, _: _u, PATH, ...rest } = folder.env('p', 'ADD');
  expect(rest).toEqual({
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'c1',
    CNI_NETNS: '/run/netns/x',
    CNI_IFNAME: 'eth0',
    CNI_ARGS: 'A=1;B=2',
    CNI_PATH: folder.path,
  });
  expect(PWD).toBe('/');
  expect(PATH).toContain('/usr/sbin');
  expect(folder.stdin('p', 'ADD')).toEqual({ name: 'net', type: 'p' });
});

test('parameters that a command does not have are not set', async () => {
  folder.plugin('p', say({ cniVersion: '1.0.0', supportedVersions: ['1.0.0'] }));
  await execPlugin(request({ command: 'VERSION' }));
  const names = Object.keys(folder.env('p', 'VERSION')).filter(name => name.startsWith('CNI_'));
  expect(names.sort()).toEqual(['CNI_COMMAND', 'CNI_PATH']);
});

test('a large configuration arrives whole, and one that is not read is no error', async () => {
  const config = { name: 'net', filler: 'x'.repeat(600_000) };
  folder.plugin('p', say(RESULT));
  await execPlugin(request({ config }));
  expect(folder.stdin('p', 'ADD')).toEqual(config);
  folder.file('deaf', `#!/bin/sh\n${say(RESULT)}`);
  expect(await execPlugin(request({ plugin: 'deaf', config }))).toEqual(RESULT);
});

test('the first folder that has the plugin wins; folders, and links to nowhere, are passed over', async () => {
  using second = pluginFolder();
  second.file('p', '#!/bin/sh\n');
  second.file('q', '#!/bin/sh\n');
  folder.file('p', '#!/bin/sh\n');
  const path = ['/nonexistent', folder.path, second.path];
  expect(findPlugin('p', path)).toBe(join(folder.path, 'p'));
  expect(findPlugin('q', path)).toBe(join(second.path, 'q'));
  expect(findPlugin('tmp', ['/'])).toBeUndefined();
});

test('a plugin that is not there: the folders searched and the remedy are told', async () => {
  const error = await failure({ path: [folder.path, '/nonexistent'] });
  expect(error.reason).toBe('not-found');
  expect(error.failure).toMatchObject({
    plugin: 'p',
    command: 'ADD',
    network: 'net',
    searched: [folder.path, '/nonexistent'],
  });
  expect(error.message).toBe(`CNI ADD, network net, plugin p: there is no such plugin in ${folder.path}, /nonexistent`);
  expect(error.remedy).toMatch(/containernetworking-plugins.*\/usr\/lib\/cni/);
});

test.each([
  ['no execute permission', '#!/bin/sh\n', 0o644, /EACCES.*not marked executable/],
  ['no program', 'garbage\n', 0o755, /ENOEXEC/],
  ['an interpreter that does not exist', '#!/nonexistent/sh\n', 0o755, /interpreter does not exist/],
])('not executable: %s', async (_, text, mode, message) => {
  folder.file('p', text, mode);
  const error = await failure();
  expect(error.reason).toBe('not-executable');
  expect(error.message).toMatch(message);
});

test("a plugin's own error keeps its code and its words", async () => {
  folder.plugin('p', `${say({ cniVersion: '1.0.0', code: 7, msg: 'bad subnet', details: '10.0.0.0/40' })}\nexit 1`);
  const error = await failure();
  expect(error).toMatchObject({ reason: 'plugin-error', code: 7, codeName: 'invalid network configuration' });
  expect(error.failure).toMatchObject({ msg: 'bad subnet', details: '10.0.0.0/40' });
  expect(error.message).toBe(
    'CNI ADD, network net, plugin p: bad subnet; 10.0.0.0/40 (code 7: invalid network configuration)',
  );
});

test('an error object with exit status 0 is an error all the same, for DEL too', async () => {
  folder.plugin('p', say({ code: 11, msg: 'busy' }));
  expect(await failure()).toMatchObject({ reason: 'plugin-error', code: 11 });
  expect(await failure({ command: 'DEL' })).toMatchObject({ reason: 'plugin-error', code: 11 });
});

test('an error object without a code is the plugin’s error 0', async () => {
  folder.plugin('p', `${say({ msg: 'no idea' })}\nexit 1`);
  expect(await failure()).toMatchObject({ reason: 'plugin-error', code: 0 });
});

test('a kernel that finds a name too long is recognised', async () => {
  const msg =
    'failed to create bridge "kukeon-123456789": could not add "kukeon-123456789": numerical result out of range';
  folder.plugin('p', `${say({ code: 999, msg })}\nexit 1`);
  expect(await failure()).toMatchObject({ nameTooLong: true, codeName: 'internal error' });
  folder.plugin('p', `${say({ code: 999, msg: 'out of memory' })}\nexit 1`);
  expect((await failure()).nameTooLong).toBe(false);
});

test('a failure without an error object: exit status, the start of stdout, the end of stderr', async () => {
  folder.plugin('p', 'echo some text; for i in $(seq 2000); do echo "line $i"; done >&2; exit 3');
  const error = await failure();
  expect(error.reason).toBe('exit-status');
  expect(error.message).toMatch(/exited with 3 and no error object; its standard output begins with: some text; /);
  expect(error.message).toEndWith('line 1999 line 2000');
  expect(error.message.length).toBeLessThan(3000);
  expect(error.failure.stderr).toHaveLength(4096);
});

test.each([
  ['nothing', ':', /standard output can't be read: the text is empty/],
  ['no JSON', 'echo "<html>"', /not JSON: .*begins with: <html>/],
  ['JSON that breaks off', `printf '{"cniVersion":"1.0.0","ips":[{"addr'`, /not JSON/],
  ['JSON and more', 'echo "{}{}"', /not JSON/],
])('an ADD that answers with %s', async (_, body, message) => {
  folder.plugin('p', body);
  const error = await failure();
  expect(error.reason).toBe('bad-output');
  expect(error.message).toMatch(message);
});

test('what a DEL or CHECK that succeeded wrote is of no interest', async () => {
  folder.plugin('p', 'echo "<html>"');
  expect(await execPlugin(request({ command: 'DEL' }))).toBeUndefined();
  expect(await execPlugin(request({ command: 'CHECK' }))).toBeUndefined();
});

test('terminal control sequences of a plugin do not reach the message', async () => {
  folder.plugin('p', `${say({ code: 100, msg: 'red \u001b[31m\nand\tbell \u0007' })}\nexit 1`);
  expect((await failure()).message).toBe(
    "CNI ADD, network net, plugin p: red \ufffd[31m and bell \ufffd (code 100: the plugin's own)",
  );
});

test('a flood on stdout is cut off and the plugin killed', async () => {
  folder.plugin('p', 'echo $$ > "$here/pid"; exec cat /dev/zero');
  const error = await failure();
  expect(error.reason).toBe('bad-output');
  expect(error.message).toMatch(/more than 1 MiB/);
  await ended('pid');
});

test('a flood on stderr does no harm', async () => {
  folder.plugin('p', `head -c 3000000 /dev/zero | tr '\\0' x >&2\n${say(RESULT)}`);
  expect(await execPlugin(request())).toEqual(RESULT);
});

test('killed by a signal', async () => {
  folder.plugin('p', 'kill -SEGV $$');
  expect(await failure()).toMatchObject({ reason: 'killed', message: expect.stringMatching(/killed by SIGSEGV/) });
});

test('a plugin that hangs and ignores SIGTERM is killed at the time limit, with its children', async () => {
  folder.plugin(
    'p',
    'trap "" TERM; sleep 1000 & echo $! > "$here/child"; echo $$ > "$here/pid"; echo waiting >&2; wait',
  );
  const error = await failure({ timeoutMs: 1000 });
  expect(error.reason).toBe('timed-out');
  expect(error.message).toMatch(/killed: it took over 1 s; its standard error ends with: waiting/);
  await ended('pid');
  await ended('child');
});

test('a plugin that ends but leaves a process behind on its stdout', async () => {
  folder.plugin('p', `sleep 1000 & echo $! > "$here/child"\n${say(RESULT)}`);
  const error = await failure({ timeoutMs: 1000 });
  expect(error.reason).toBe('timed-out');
  expect(error.message).toMatch(/left behind kept its output open/);
  await ended('child');
});

test('calling it off kills the plugin', async () => {
  folder.file('p', '#!/bin/sh\nexec sleep 1000');
  const controller = new AbortController();
  const running = failure({ signal: controller.signal });
  controller.abort(new Error('ctrl-c'));
  const error = await running;
  expect(error.reason).toBe('aborted');
  expect(error.cause).toEqual(new Error('ctrl-c'));
});
