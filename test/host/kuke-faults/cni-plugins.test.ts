// containerd: once, since it has no part in this.
/** Executed CNI plugins that are missing, fail, hang, or talk nonsense: the cell does not come up, and nothing of it is left. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Containerd } from '../containerd.ts';
import { cell, container } from '../kuke/cells.ts';
import { kuke, type Ran, run } from '../kuke/kuke.ts';
import { alsoFailed, failure, leavingNothing } from './failures.ts';
import { warmHost } from './warm-host.ts';

const FOLDER = '/tmp/cni';
const CONFIG = '/etc/kukeon/kuke.yaml';
let containerd: Containerd;
const configure = (more = '') => writeFileSync(CONFIG, `plugins: { cni-bridge: { cniPlugins: exec${more} } }\n`);
beforeAll(async () => {
  mkdirSync('/etc/kukeon');
  configure();
  containerd = await warmHost();
});
afterAll(() => containerd.stop());
beforeEach(() => {
  mkdirSync(FOLDER);
  for (const plugin of ['bridge', 'host-local', 'portmap']) replace(plugin, 'exec /usr/lib/cni/"${0##*/}"');
});
afterEach(() => rmSync(FOLDER, { recursive: true }));

/** A plugin as a shell script. */
function replace(plugin: string, script: string): void {
  writeFileSync(`${FOLDER}/${plugin}`, `#!/bin/sh\n${script}\n`);
  chmodSync(`${FOLDER}/${plugin}`, 0o755);
}

const env = { CNI_PATH: FOLDER };
const apply = (manifest = cell('web')): Promise<Ran> =>
  run(['apply', '-f', '-'], { env, stdin: JSON.stringify(manifest) });

const refused = async (code: number, ...says: (string | RegExp)[]): Promise<Ran> => {
  const ran = await leavingNothing(() => apply());
  failure(ran, code, 'cell main/default/default/web: attach to network main-default: ', ...says);
  return ran;
};

test('with the plugins as they are, it goes well', async () => {
  expect(
    await leavingNothing(async () => {
      const ran = await apply();
      await kuke('delete', 'cell', 'web', '--cascade', '--force');
      return ran;
    }),
  ).toMatchObject({ status: 0, stderr: '' });
});

describe('missing', () => {
  test.each(['bridge', 'host-local'])('%s', async plugin => {
    rmSync(`${FOLDER}/${plugin}`);
    await refused(
      5,
      `plugin ${plugin}: there is no such plugin in ${FOLDER}`,
      'containernetworking-plugins',
      'CNI_PATH',
    );
    const ran = await leavingNothing(() => run(['init', '--realm', 'lab'], { env }));
    failure(ran, 5, `the CNI plugin ${plugin} is not in ${FOLDER}`, 'containernetworking-plugins');
  });

  test('the permission to execute it', async () => {
    chmodSync(`${FOLDER}/bridge`, 0o644);
    await refused(5, 'EACCES', 'not marked executable', 'chmod +x');
  });
});

describe('failing', () => {
  const says = (error: object) => `echo '${JSON.stringify({ cniVersion: '1.0.0', ...error })}'; exit 1`;

  test('with its code and words', async () => {
    replace('bridge', says({ code: 104, msg: 'the moon is full', details: 'again' }));
    await refused(1, 'plugin bridge: the moon is full; again', 'code 104');
  });

  test('for a while', async () => {
    replace('bridge', says({ code: 11, msg: 'busy' }));
    await refused(1, 'busy', 'try again later', '(try again in a moment)');
  });

  test('because of a name that is too long', async () => {
    replace('bridge', says({ code: 999, msg: 'could not add "kukeon-123456789": numerical result out of range' }));
    await refused(1, 'numerical result out of range', 'kuke init --force-regenerate-cni');
  });

  test('for want of addresses', async () => {
    replace('host-local', says({ code: 999, msg: 'no IP addresses available in range set: 10.88.0.1-10.88.0.2' }));
    await refused(1, 'no IP addresses available', 'larger range');
  });

  test.each<[string, string, string]>([
    ['without a word', 'exit 3', 'exited with 3'],
    ['with words that are no error object', 'echo oops >&2; exit 3', 'its standard error ends with: oops'],
    ['by a signal', 'kill -SEGV $$', 'killed by SIGSEGV'],
  ])('%s', async (_, script, words) => {
    replace('bridge', script);
    await refused(1, 'plugin bridge: ', words);
  });

  test('with words that steer a terminal', async () => {
    replace('bridge', `printf '{"cniVersion":"1.0.0","code":100,"msg":"\\\\u001b]0;x\\\\u0007red"}'; exit 1`);
    await refused(1, 'red');
  });

  test('after it has made everything', async () => {
    replace('bridge', '/usr/lib/cni/bridge > /dev/null; [ $CNI_COMMAND = DEL ] || exit 1');
    await refused(1, 'exited with 1');
  });

  test('at DEL as well: what it has made is removed all the same, and both are told', async () => {
    replace('bridge', '[ $CNI_COMMAND = DEL ] || /usr/lib/cni/bridge > /dev/null; exit 1');
    const ran = await refused(1, 'CNI ADD, network main-default, plugin bridge: it exited with 1');
    expect(alsoFailed(ran).join()).toContain('CNI DEL, network main-default, plugin bridge: it exited with 1');
  });
});

describe('hanging', () => {
  // Only for what hangs: on a busy machine a plugin that works may take as long.
  const soon = () => configure(', pluginTimeoutSeconds: 1');
  afterEach(() => configure());

  test('it is killed at the time limit of the configuration', async () => {
    soon();
    replace('bridge', 'sleep 1000 & sleep 1000');
    await refused(6, 'plugin bridge: it was killed: it took over 1 s', 'plugins.cni-bridge.pluginTimeoutSeconds');
  });

  test('only at DEL: the cell goes without it', async () => {
    await leavingNothing(async () => {
      expect(await apply()).toMatchObject({ status: 0 });
      soon();
      replace('bridge', 'sleep 1000');
      const { status, stderr } = await run(['delete', 'cell', 'web', '--cascade', '--force'], { env });
      expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('it took over 1 s') });
    });
  });
});

describe('talking nonsense', () => {
  test.each<[string, string, string | RegExp]>([
    ['text', 'echo garbage', /standard output can't be read: .*garbage/],
    ['nothing', 'true', "standard output can't be read"],
    ['a list', 'echo []', 'must be an object'],
    ['a result of another version', 'echo \'{"cniVersion":"9.9.9"}\'', '9.9.9'],
    ['a result without an address', 'echo \'{"cniVersion":"1.0.0","interfaces":[]}\'', 'no address'],
    ['an address that is none', 'echo \'{"cniVersion":"1.0.0","ips":[{"address":"here"}]}\'', 'must be an address'],
    ['more than anybody reads', 'yes', 'more than 1 MiB'],
  ])('%s', async (_, script, says) => {
    replace('bridge', `[ $CNI_COMMAND = ADD ] || exec /usr/lib/cni/bridge\n${script}`);
    await refused(1, says);
  });
});

describe('the undoing of a failed create', () => {
  const conflist = '/etc/cni/net.d/main-default.conflist';

  test('goes on after an error, reports all, and is finished by the next command', async () => {
    const before = readFileSync(conflist, 'utf8');
    const { plugins, ...rest } = JSON.parse(before);
    writeFileSync(conflist, JSON.stringify({ ...rest, plugins: [...plugins, { type: 'extra' }] }));
    replace(
      'extra',
      '[ $CNI_COMMAND = ADD ] || { echo \'{"cniVersion":"1.0.0","code":100,"msg":"DEL never works"}\'; exit 1; }; cat | sed \'s/.*"prevResult"://; s/}$//\'',
    );
    await leavingNothing(async () => {
      const ran = await apply(cell('web', [container('main'), container('side', { command: '/nope' })]));
      failure(ran, 1, 'start container default_default_web_side', '/nope');
      expect(alsoFailed(ran)).toEqual([expect.stringContaining('plugin extra: DEL never works')]);
      // All else is gone.
      expect(readdirSync('/opt/kukeon/main/default/default')).toEqual(['stack.yaml']);
      expect(readdirSync('/run/netns')).toEqual([]);
      expect((await run(['get', 'cells', '-o', 'name'])).stdout).toBe('');
      replace('extra', 'true');
      const { stderr } = await run(['create', 'stack', 'other'], { env });
      expect(stderr).toContain('an earlier command that did not end has been undone: kuke apply -f -');
      await kuke('delete', 'stack', 'other');
    });
    writeFileSync(conflist, before);
  });
});
