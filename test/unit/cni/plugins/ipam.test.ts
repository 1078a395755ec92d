import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { ipam } from '../../../../src/cni/plugins/ipam.ts';
import type { AttachmentCall, CniPlugin, GcCall, PluginCall } from '../../../../src/cni/plugins/plugin.ts';
import { PluginError } from '../../../../src/cni/plugins/plugin-error.ts';
import { silent } from '../../../../src/cni/plugins/trace.ts';
import { type PluginFolder, pluginFolder, say } from '../scripted-plugin.ts';

const RESULT = { cniVersion: '1.0.0', ips: [{ address: '10.1.0.5/16', gateway: '10.1.0.1' }] };

let folder: PluginFolder;
beforeEach(() => {
  folder = pluginFolder();
});
afterEach(() => folder[Symbol.dispose]());

function call(more: Partial<PluginCall> = {}): AttachmentCall & GcCall {
  return {
    command: 'ADD',
    network: 'net',
    cniVersion: '1.0.0',
    config: { type: 'bridge', bridge: 'b0', ipam: { type: 'lease', own: 1 } },
    runtimeConfig: {},
    prevResult: undefined,
    path: [folder.path],
    trace: silent,
    signal: undefined,
    containerId: 'c1',
    ifName: 'eth0',
    netns: '/run/netns/x',
    args: [],
    valid: [],
    ...more,
  };
}

/** What STATUS and GC are given has no attachment. */
function bare({ containerId: _, ifName: _i, netns: _n, args: _a, ...rest }: AttachmentCall & GcCall): GcCall {
  return rest;
}

async function failure(verb: keyof CniPlugin, more: Partial<PluginCall> = {}): Promise<PluginError> {
  const outcome = await ipam[verb](call(more)).catch((error: unknown) => error);
  if (!(outcome instanceof PluginError)) throw new Error(`expected a PluginError, got ${JSON.stringify(outcome)}`);
  return outcome;
}

describe('an executed plugin', () => {
  test('is given the parameters and the whole configuration, and its result is understood', async () => {
    folder.plugin('lease', say(RESULT));
    const result = await ipam.add(
      call({
        runtimeConfig: { ips: ['10.1.0.5'] },
        prevResult: { cniVersion: '1.0.0', interfaces: [], ips: [], routes: [] },
      }),
    );
    expect(result).toMatchObject({ cniVersion: '1.0.0', ips: [{ address: '10.1.0.5/16', gateway: '10.1.0.1' }] });
    expect(folder.env('lease', 'ADD')).toMatchObject({
      CNI_CONTAINERID: 'c1',
      CNI_NETNS: '/run/netns/x',
      CNI_IFNAME: 'eth0',
      CNI_PATH: folder.path,
    });
    expect(folder.stdin('lease', 'ADD')).toEqual({
      type: 'bridge',
      bridge: 'b0',
      ipam: { type: 'lease', own: 1 },
      name: 'net',
      cniVersion: '1.0.0',
      runtimeConfig: { ips: ['10.1.0.5'] },
      prevResult: { cniVersion: '1.0.0' },
    });
    expect(folder.calls()).toEqual(['lease ADD']);
  });

  test('is told CNI_ARGS, and an empty netns on DEL', async () => {
    folder.plugin('lease', 'true');
    await ipam.del({
      ...call(),
      netns: '',
      args: [
        ['IP', '10.1.0.9'],
        ['K', 'v'],
      ],
    });
    expect(folder.env('lease', 'DEL')).toMatchObject({ CNI_ARGS: 'IP=10.1.0.9;K=v', CNI_NETNS: '' });
  });

  test('GC is given the valid attachments, STATUS neither attachment nor list', async () => {
    folder.plugin('lease', 'true');
    await ipam.gc({ ...bare(call({ cniVersion: '1.1.0' })), valid: [{ containerId: 'c2', ifName: 'eth1' }] });
    const { valid: _, ...status } = bare(call({ cniVersion: '1.1.0' }));
    await ipam.status(status);
    await ipam.check(call());
    expect(folder.stdin('lease', 'GC')).toMatchObject({
      'cni.dev/valid-attachments': [{ containerID: 'c2', ifname: 'eth1' }],
      'cni.dev/attachments': [{ containerID: 'c2', ifname: 'eth1' }],
    });
    expect(
      Object.keys(folder.env('lease', 'STATUS'))
        .filter(name => name.startsWith('CNI_'))
        .sort(),
    ).toEqual(['CNI_COMMAND', 'CNI_PATH']);
    expect(folder.stdin('lease', 'STATUS')).not.toHaveProperty('cni.dev/valid-attachments');
    expect(folder.calls()).toEqual(['lease GC', 'lease STATUS', 'lease CHECK']);
  });

  test('its error goes through with code, message and details, and its ADD is undone', async () => {
    folder.plugin(
      'lease',
      `[ $CNI_COMMAND = DEL ] || { ${say({ code: 117, msg: 'no lease', details: 'none left' })}\nexit 1; }`,
    );
    expect(await failure('add')).toMatchObject({ code: 117, msg: 'no lease', details: 'none left' });
    expect(folder.calls()).toEqual(['lease ADD', 'lease DEL']);
    expect(await failure('check')).toMatchObject({ code: 117 });
    expect(folder.calls()).toHaveLength(3);
  });

  test('an error of its undoing does not hide the first', async () => {
    folder.plugin('lease', `${say({ code: 100, msg: 'all is lost' }).replace('lost', 'lost')}\nexit 1`);
    expect(await failure('add')).toMatchObject({ code: 100, msg: 'all is lost' });
  });

  test.each([
    ['no JSON', 'echo hello'],
    ['no result', 'echo \'{"ips":[{"address":"none"}]}\''],
    ['a result of a version that is not known', 'echo \'{"cniVersion":"9.9.9"}\''],
  ])('an answer that is %s is code 6, and undone', async (_, body) => {
    folder.plugin('lease', body);
    expect(await failure('add')).toMatchObject({ code: 6, msg: expect.stringContaining('lease') });
    expect(folder.calls()).toEqual(['lease ADD', 'lease DEL']);
  });

  test('that is missing is named with the folders; STATUS says code 50', async () => {
    expect(await failure('add')).toMatchObject({ code: 999, msg: expect.stringContaining(folder.path) });
    expect(await failure('status')).toMatchObject({ code: 50, msg: expect.stringContaining('lease') });
  });

  test('is never looked for in a relative folder', async () => {
    folder.plugin('lease', say(RESULT));
    const here = process.cwd();
    process.chdir(folder.path);
    try {
      expect(await failure('add', { path: ['.', ''] })).toMatchObject({ code: 999 });
    } finally {
      process.chdir(here);
    }
    expect(folder.calls()).toEqual([]);
  });

  test('each call is told as the command that does it, and that command does it', async () => {
    folder.plugin('lease', say(RESULT));
    const told: string[] = [];
    const trace: PluginCall['trace'] = (command, effect) => {
      told.push(command);
      return effect();
    };
    await ipam.add({ ...call({ trace, config: { ipam: { type: 'lease', text: "it's" } } }), args: [['K', '$(x)']] });
    const before = folder.stdin('lease', 'ADD');
    const again = Bun.spawnSync(['bash', '-c', told.join('\n')], { env: {} });
    expect(JSON.parse(again.stdout.toString())).toEqual(RESULT);
    expect(folder.stdin('lease', 'ADD')).toEqual(before);
    expect(folder.env('lease', 'ADD')).toMatchObject({ CNI_ARGS: 'K=$(x)', CNI_CONTAINERID: 'c1' });
  });
});

describe('ipam.type', () => {
  test.each([
    [{}, 'ipam.type is missing'],
    [{ ipam: 'host-local' }, 'ipam.type is missing'],
    [{ ipam: { type: '' } }, 'ipam.type is missing'],
    [{ ipam: { type: '../../bin/sh' } }, 'no path'],
    [{ ipam: { type: '/bin/sh' } }, 'no path'],
    [{ ipam: { type: 'bridge' } }, 'gives no addresses'],
    [{ ipam: { type: 'portmap' } }, 'gives no addresses'],
  ])('%j is refused', async (config, msg) => {
    for (const verb of ['add', 'del', 'check', 'gc', 'status'] as const) {
      expect(await failure(verb, { config })).toMatchObject({ code: 7, msg: expect.stringContaining(msg) });
    }
  });
});
