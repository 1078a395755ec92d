/** A plugin that does nothing but note what it is called with, and calls of it as a runtime would make them. */
import { type Answer, answer, type Environment } from '../../../../src/cni/plugins/answer.ts';
import type { Call } from '../../../../src/cni/plugins/call.ts';
import type { CniPlugin } from '../../../../src/cni/plugins/plugin.ts';
import type { Result } from '../../../../src/cni/result.ts';

export const MADE: Result = {
  cniVersion: '1.1.0',
  interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1400, sandbox: '/run/netns/x' }],
  ips: [{ address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 0 }],
  routes: [{ dst: '0.0.0.0/0' }],
};

export interface Recorded {
  plugin: CniPlugin;
  /** In order. */
  calls: Call[];
}

/** `act` stands for what the plugin does. */
export function recordingPlugin(act: (call: Call) => unknown = () => {}): Recorded {
  const calls: Call[] = [];
  const note = async (call: unknown): Promise<void> => {
    calls.push(call as Call);
    await act(call as Call);
  };
  const add = async (call: unknown): Promise<Result> => {
    await note(call);
    return MADE;
  };
  return { calls, plugin: { add, del: note, check: note, gc: note, status: note } };
}

/** What a runtime sets for ADD. */
export const ENV: Environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
};

export const CONFIG = { cniVersion: '1.0.0', name: 'net', type: 'static' };

export interface Called {
  env?: Environment;
  config?: unknown;
  stdin?: string;
  called?: string;
  signal?: AbortSignal;
}

export function ask(
  { env = {}, config = CONFIG, stdin = JSON.stringify(config), called = 'static', signal }: Called,
  { plugin } = recordingPlugin(),
): Promise<Answer> {
  const input = { env: { ...ENV, ...env }, called, stdin, ...(signal && { signal }) };
  return answer(input, async () => plugin);
}

/** The error object that is answered. */
export async function refused(called: Called, recorded?: Recorded): Promise<Record<string, unknown>> {
  const { status, text } = await ask(called, recorded);
  if (status === 0) throw new Error(`it went well: ${text}`);
  return JSON.parse(text);
}
