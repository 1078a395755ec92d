/** What a plugin program answers, with a plugin that does nothing in place of the real ones. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { PluginError } from '../../../../src/cni/plugins/plugin-error.ts';
import { formatResult } from '../../../../src/cni/result.ts';
import { COMMANDS, VERSIONS } from '../../../../src/cni/version.ts';
import { ask, CONFIG, ENV, MADE, recordingPlugin, refused } from './recording-plugin.ts';

const prevResult = formatResult(MADE, '1.0.0');

describe('ADD', () => {
  test.each(['0.3.0', '0.3.1', '0.4.0'])('answers in version %s', async cniVersion => {
    const { status, text } = await ask({ config: { ...CONFIG, cniVersion } });
    expect(status).toBe(0);
    expect(JSON.parse(text)).toEqual({
      cniVersion,
      interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/x' }],
      ips: [{ version: '4', address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 0 }],
      routes: [{ dst: '0.0.0.0/0' }],
    });
  });

  test.each(['1.0.0', '1.1.0'])('answers in version %s', async cniVersion => {
    const { text } = await ask({ config: { ...CONFIG, cniVersion } });
    const { routes, interfaces } = MADE;
    const ips = [{ address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 0 }];
    expect(JSON.parse(text)).toEqual({ cniVersion, interfaces, ips, routes });
  });

  test('gives the plugin what the runtime said', async () => {
    const recorded = recordingPlugin();
    const config = { ...CONFIG, own: 1, runtimeConfig: { ips: ['10.1.0.9'] }, prevResult };
    const args = 'IgnoreUnknown=1;K8S_POD_NAME=a=b;;';
    await ask({ config, env: { CNI_ARGS: args, CNI_PATH: '/a:relative::/b:.' } }, recorded);
    expect(recorded.calls).toMatchObject([
      {
        command: 'ADD',
        network: 'net',
        cniVersion: '1.0.0',
        config,
        runtimeConfig: { ips: ['10.1.0.9'] },
        prevResult: { interfaces: [{ name: 'eth0' }], ips: [{ address: '10.1.0.5/16' }] },
        path: ['/a', '/b'],
        containerId: 'c1',
        ifName: 'eth0',
        netns: '/run/netns/x',
        args: [
          ['IgnoreUnknown', '1'],
          ['K8S_POD_NAME', 'a=b'],
        ],
      },
    ]);
  });

  test('does without CNI_ARGS', async () => {
    expect(await ask({ env: { CNI_ARGS: undefined } })).toMatchObject({ status: 0 });
  });
});

describe('the other verbs', () => {
  test('DEL answers nothing, without a namespace, and whatever prevResult is', async () => {
    const recorded = recordingPlugin();
    const env = { CNI_COMMAND: 'DEL', CNI_NETNS: undefined };
    expect(await ask({ env, config: { ...CONFIG, prevResult: 'garbage' } }, recorded)).toEqual({ status: 0, text: '' });
    expect(recorded.calls).toMatchObject([{ command: 'DEL', netns: '', prevResult: undefined }]);
  });

  test.each(['CHECK', 'STATUS'])('%s answers nothing', async CNI_COMMAND => {
    const recorded = recordingPlugin();
    const config = { ...CONFIG, cniVersion: '1.1.0', prevResult };
    expect(await ask({ env: { CNI_COMMAND }, config }, recorded)).toEqual({ status: 0, text: '' });
    expect(recorded.calls).toMatchObject([{ command: CNI_COMMAND, prevResult: { ips: [{}] } }]);
  });

  test.each([
    ['cni.dev/valid-attachments', [{ containerID: 'c1', ifname: 'eth0' }], [{ containerId: 'c1', ifName: 'eth0' }]],
    ['cni.dev/attachments', [], []],
    ['cni.dev/valid-attachments', null, []],
  ])('GC is told what is to stay: %s %j', async (key, list, valid) => {
    const recorded = recordingPlugin();
    const env = { CNI_COMMAND: 'GC', CNI_CONTAINERID: undefined, CNI_IFNAME: undefined, CNI_NETNS: undefined };
    const config = { ...CONFIG, cniVersion: '1.1.0', [key]: list };
    expect(await ask({ env, config }, recorded)).toEqual({ status: 0, text: '' });
    expect(recorded.calls).toMatchObject([{ command: 'GC', valid }]);
  });

  test.each([
    ['{"cniVersion":"0.4.0"}', '0.4.0'],
    ['{"cniVersion":"9.9.9"}', '9.9.9'],
    ['{"cniVersion":"latest"}', '1.1.0'],
    ['{}', '1.1.0'],
    ['', '1.1.0'],
  ])('VERSION of %s', async (stdin, cniVersion) => {
    const { status, text } = await ask({ env: { CNI_COMMAND: 'VERSION' }, stdin });
    expect({ status, ...JSON.parse(text) }).toEqual({
      status: 0,
      cniVersion,
      supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    });
  });
});

describe('which plugin', () => {
  test.each([
    ['host-local', 'bridge', 'host-local'],
    ['kuke', 'bridge', 'bridge'],
    ['kuke-1.2', 'portmap', 'portmap'],
  ])('called as %s with type %s: %s', async (called, type, expected) => {
    const { plugin } = recordingPlugin();
    const loaded: string[] = [];
    const { answer } = await import('../../../../src/cni/plugins/answer.ts');
    const stdin = JSON.stringify({ ...CONFIG, type });
    await answer({ env: { ...ENV, CNI_COMMAND: 'DEL' }, called, stdin }, async name => {
      loaded.push(name);
      return plugin;
    });
    expect(loaded).toEqual([expected]);
  });

  test.each([[undefined], ['macvlan'], ['../bridge'], ['constructor'], [7]])('none of type %j', async type => {
    const { code, msg } = await refused({ called: 'kuke', config: { ...CONFIG, type } });
    expect({ code, msg }).toEqual({ code: 7, msg: expect.stringContaining('type: ') });
  });
});

describe('refused', () => {
  test.each<[string, Parameters<typeof ask>[0], number, RegExp]>([
    ['an unknown command', { env: { CNI_COMMAND: 'add' } }, 4, /CNI_COMMAND/],
    ['no container id', { env: { CNI_CONTAINERID: '' } }, 4, /CNI_CONTAINERID/],
    ['several', { env: { CNI_NETNS: '', CNI_IFNAME: undefined } }, 4, /CNI_NETNS, CNI_IFNAME/],
    ['a container id with a slash', { env: { CNI_CONTAINERID: '../x' } }, 4, /CNI_CONTAINERID/],
    ['an interface of 16 characters', { env: { CNI_IFNAME: 'eth0123456789012' } }, 4, /CNI_IFNAME/],
    ['what is all interfaces in /proc/sys', { env: { CNI_IFNAME: 'all' } }, 4, /CNI_IFNAME.*"all" or "default"/],
    ['what new interfaces get there', { env: { CNI_IFNAME: 'default' } }, 4, /CNI_IFNAME.*"all" or "default"/],
    ['an interface with a slash', { env: { CNI_IFNAME: 'a/b' } }, 4, /CNI_IFNAME/],
    ['arguments without a value', { env: { CNI_ARGS: 'IP' } }, 4, /CNI_ARGS/],
    ['a bad id at DEL', { env: { CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'a b' } }, 4, /CNI_CONTAINERID/],
    ['GC without CNI_PATH', { env: { CNI_COMMAND: 'GC', CNI_PATH: '' } }, 4, /CNI_PATH/],
    ['nothing on stdin', { stdin: '' }, 6, /nothing on standard input/],
    ['garbage on stdin', { stdin: '{' }, 6, /no JSON/],
    ['a list on stdin', { stdin: '[]' }, 6, /no JSON object/],
    ['too deep a nesting', { stdin: '['.repeat(1e6) }, 6, /./],
    ['VERSION of garbage', { env: { CNI_COMMAND: 'VERSION' }, stdin: 'x' }, 6, /no JSON/],
    ['no name', { config: { ...CONFIG, name: undefined } }, 7, /^name: .*missing/],
    ['a name with a slash', { config: { ...CONFIG, name: 'a/../b' } }, 7, /^name: /],
    ['a name that is none', { config: { ...CONFIG, name: 7 } }, 7, /^name: /],
    ['no version', { config: { ...CONFIG, cniVersion: undefined } }, 1, /cniVersion/],
    ['an old version', { config: { ...CONFIG, cniVersion: '0.2.0' } }, 1, /0\.2\.0/],
    ['a version to come', { config: { ...CONFIG, cniVersion: '2.0.0' } }, 1, /2\.0\.0/],
    ['a version that is none', { config: { ...CONFIG, cniVersion: 1 } }, 6, /^cniVersion/],
    ['a runtimeConfig that is none', { config: { ...CONFIG, runtimeConfig: [] } }, 7, /^runtimeConfig/],
    ['null on stdin', { stdin: 'null' }, 7, /^name/],
    ['no CNI_PATH', { env: { CNI_PATH: undefined } }, 4, /CNI_PATH/],
    ['a prevResult that is none', { config: { ...CONFIG, prevResult: 'x' } }, 6, /^prevResult/],
    [
      'an address that is none',
      { config: { ...CONFIG, prevResult: { ips: [{ address: 'x' }] } } },
      6,
      /ips\.0\.address/,
    ],
    ['a result to come', { config: { ...CONFIG, prevResult: { cniVersion: '9.0.0' } } }, 6, /prevResult: .*9\.0\.0/],
    ['CHECK of 0.3.1', { env: { CNI_COMMAND: 'CHECK' }, config: { ...CONFIG, cniVersion: '0.3.1' } }, 1, /CHECK/],
    ['GC of 1.0.0', { env: { CNI_COMMAND: 'GC' } }, 1, /GC/],
    ['STATUS of 1.0.0', { env: { CNI_COMMAND: 'STATUS' } }, 1, /STATUS/],
    ['GC of all', { env: { CNI_COMMAND: 'GC' }, config: { ...CONFIG, cniVersion: '1.1.0' } }, 7, /valid-attachments/],
    [
      'GC with a list that is none',
      { env: { CNI_COMMAND: 'GC' }, config: { ...CONFIG, cniVersion: '1.1.0', 'cni.dev/attachments': [{}] } },
      7,
      /containerID/,
    ],
  ])('%s', async (_, called, code, msg) => {
    const recorded = recordingPlugin();
    expect(await refused(called, recorded)).toMatchObject({
      cniVersion: expect.any(String),
      code,
      msg: expect.stringMatching(msg),
    });
    expect(recorded.calls).toEqual([]);
  });

  test('a namespace that a plugin would have to go into', async () => {
    const bridge = { called: 'bridge' };
    const own = '/proc/self/ns/net';
    for (const CNI_NETNS of ['/nowhere', '/etc/passwd', '/', 'run/netns/x', '/a\0b', `/${'x'.repeat(5000)}`, own]) {
      expect(await refused({ ...bridge, env: { CNI_NETNS } })).toMatchObject({
        code: 8,
        msg: expect.stringContaining('CNI_NETNS'),
      });
    }
    expect(await refused({ ...bridge, env: { CNI_NETNS: own, CNI_COMMAND: 'DEL' } })).toMatchObject({ code: 8 });
    expect(await ask({ ...bridge, env: { CNI_NETNS: own, CNI_NETNS_OVERRIDE: 'true' } })).toMatchObject({ status: 0 });
  });

  test.each(['/nowhere', '/etc/passwd', 'run/netns/x'])('DEL with the namespace %s: it is gone', async CNI_NETNS => {
    const recorded = recordingPlugin();
    await ask({ called: 'bridge', env: { CNI_COMMAND: 'DEL', CNI_NETNS } }, recorded);
    expect(recorded.calls).toMatchObject([{ command: 'DEL', netns: '' }]);
  });

  test('the error tells the version of the configuration', async () => {
    expect(await refused({ config: { ...CONFIG, cniVersion: '0.4.0', name: '' } })).toMatchObject({
      cniVersion: '0.4.0',
    });
    expect(await refused({ stdin: '' })).toMatchObject({ cniVersion: '1.1.0' });
  });
});

describe('a plugin that fails', () => {
  const failing = (thrown: unknown) =>
    recordingPlugin(() => {
      throw thrown;
    });

  test('by its own words', async () => {
    const error = new PluginError('UnsupportedField', 'vlan: not supported', 'see the docs');
    expect(await refused({}, failing(error))).toEqual({
      cniVersion: '1.0.0',
      code: 2,
      msg: 'vlan: not supported',
      details: 'see the docs',
    });
  });

  test('by a file', async () => {
    const { readFileSync } = await import('node:fs');
    const recorded = recordingPlugin(() => readFileSync('/nowhere/at/all'));
    expect(await refused({}, recorded)).toEqual({
      cniVersion: '1.0.0',
      code: 5,
      msg: 'open /nowhere/at/all: No such file or directory (ENOENT)',
    });
  });

  test('by the rest of the kernel', async () => {
    const { SystemError } = await import('../../../../src/host/errno.ts');
    const error = new SystemError('create bridge b0', 17, 'File exists');
    expect(await refused({}, failing(error))).toMatchObject({
      code: 999,
      msg: 'create bridge b0: File exists (EEXIST)',
    });
  });

  test('by a bug', async () => {
    for (const thrown of [new TypeError('x is not a function'), 'a string', undefined]) {
      expect(await refused({}, failing(thrown))).toMatchObject({ code: 999 });
    }
  });
});

describe('called off', () => {
  const calledOff = new PluginError('TryAgainLater', 'it was called off by SIGTERM');

  test('an ADD that was done is undone', async () => {
    const controller = new AbortController();
    const recorded = recordingPlugin(({ command }) => {
      if (command === 'ADD') controller.abort(calledOff);
    });
    expect(await refused({ signal: controller.signal }, recorded)).toMatchObject({
      code: 11,
      msg: calledOff.msg,
      details: 'nothing of the attachment is left',
    });
    expect(recorded.calls).toMatchObject([{ command: 'ADD' }, { command: 'DEL', signal: undefined }]);
  });

  test('an ADD that cannot be undone says so', async () => {
    const controller = new AbortController();
    const recorded = recordingPlugin(({ command }) => {
      if (command === 'DEL') throw new PluginError('Internal', 'the veth stays');
      controller.abort(calledOff);
    });
    expect(await refused({ signal: controller.signal }, recorded)).toEqual({
      cniVersion: '1.0.0',
      code: 11,
      msg: calledOff.msg,
      details: 'and it was not undone: the veth stays',
    });
  });

  test('an ADD that noticed has undone itself', async () => {
    const controller = new AbortController();
    const recorded = recordingPlugin(({ command, signal }) => {
      if (command === 'ADD') controller.abort(calledOff);
      signal?.throwIfAborted();
    });
    const answered = await refused({ signal: controller.signal }, recorded);
    expect(answered).toMatchObject({ code: 11, msg: calledOff.msg, details: 'nothing of the attachment is left' });
    expect(recorded.calls.map(({ command }) => command)).toEqual(['ADD']);
  });

  test('what an ADD that noticed could not undo is told', async () => {
    const controller = new AbortController();
    const recorded = recordingPlugin(() => {
      controller.abort(calledOff);
      throw new PluginError('TryAgainLater', calledOff.msg, 'and was not undone: the veth stays');
    });
    expect(await refused({ signal: controller.signal }, recorded)).toMatchObject({
      code: 11,
      details: expect.stringContaining('the veth stays'),
    });
  });

  test('a DEL that is done stays done', async () => {
    const controller = new AbortController();
    const recorded = recordingPlugin(() => controller.abort(calledOff));
    const env = { CNI_COMMAND: 'DEL' };
    expect(await ask({ env, signal: controller.signal }, recorded)).toEqual({ status: 0, text: '' });
  });

  test('an answer that nobody took is undone', async () => {
    const recorded = recordingPlugin();
    const { undo } = await ask({}, recorded);
    await undo?.();
    expect(recorded.calls.map(({ command }) => command)).toEqual(['ADD', 'DEL']);
  });
});

describe('whatever comes', () => {
  const version = fc.oneof(fc.constantFrom(...VERSIONS), fc.string(), fc.jsonValue());
  const config = fc.record(
    {
      cniVersion: version,
      name: fc.oneof(fc.constant('net'), fc.jsonValue()),
      type: fc.jsonValue(),
      prevResult: fc.oneof(fc.constant(prevResult), fc.jsonValue()),
      runtimeConfig: fc.jsonValue(),
      ipam: fc.jsonValue(),
      'cni.dev/valid-attachments': fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const text = fc.oneof(
    { weight: 3, arbitrary: config.map(value => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.jsonValue().map(value => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.string() },
  );
  const variable = fc.option(fc.oneof(fc.string(), fc.constantFrom('c1', 'eth0', '/proc/self/ns/net', 'a=b')), {
    nil: undefined,
  });
  const environment = fc.record({
    CNI_COMMAND: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(...COMMANDS) },
      { weight: 1, arbitrary: fc.string() },
    ),
    CNI_CONTAINERID: variable,
    CNI_NETNS: variable,
    CNI_IFNAME: variable,
    CNI_ARGS: variable,
    CNI_PATH: variable,
  });

  test('the answer is one JSON object with a well-known code, or none, and the plugin sees only what is checked', async () => {
    await fc.assert(
      fc.asyncProperty(environment, text, fc.constantFrom('bridge', 'static', 'kuke'), async (env, stdin, called) => {
        const recorded = recordingPlugin();
        const { status, text: output } = await ask({ env, stdin, called }, recorded);
        const object = output === '' ? undefined : JSON.parse(output);
        if (status === 0) expect(recorded.calls.length).toBe(env.CNI_COMMAND === 'VERSION' ? 0 : 1);
        else expect([1, 4, 6, 7, 8]).toContain(object.code);
        for (const call of recorded.calls) {
          expect(call.network).toMatch(/^[A-Za-z0-9][\w.-]*$/);
          expect(VERSIONS).toContain(call.cniVersion);
          if ('containerId' in call) expect(call.containerId).toMatch(/^[A-Za-z0-9][\w.-]*$/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
