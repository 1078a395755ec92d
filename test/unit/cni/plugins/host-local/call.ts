/** Calls of an IPAM plugin in process, with its reservations in a folder of the test's own. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../../../../src/cni/json.ts';
import type { AttachmentCall, GcCall } from '../../../../../src/cni/plugins/plugin.ts';
import { PluginError } from '../../../../../src/cni/plugins/plugin-error.ts';
import { silent } from '../../../../../src/cni/plugins/trace.ts';

export type AnyCall = AttachmentCall & GcCall;

/** A call for container `c1` in network `net`. */
export function callOf(ipam: JsonObject, more: Partial<AnyCall> = {}): AnyCall {
  return {
    command: 'ADD',
    network: 'net',
    cniVersion: '1.1.0',
    config: { cniVersion: '1.1.0', name: 'net', ipam },
    runtimeConfig: {},
    prevResult: undefined,
    path: [],
    trace: silent,
    signal: undefined,
    containerId: 'c1',
    ifName: 'eth0',
    netns: '/run/netns/c1',
    args: [],
    valid: [],
    ...more,
  };
}

export async function refusal(outcome: Promise<unknown>): Promise<PluginError> {
  const thrown = await outcome.then(
    value => value,
    (error: unknown) => error,
  );
  if (thrown instanceof PluginError) return thrown;
  throw new Error(`expected a PluginError, got ${thrown instanceof Error ? thrown.stack : JSON.stringify(thrown)}`);
}

export interface DataDir extends Disposable {
  path: string;
  /** The network's folder. */
  folder: string;
  /** Names in it, hidden ones too. */
  names(): string[];
  /** Which addresses are given to whom: `{'10.1.0.2': 'c1 eth0'}`. */
  given(): Record<string, string>;
}

export function dataDir(path = mkdtempSync(join(tmpdir(), 'host-local-'))): DataDir {
  const folder = join(path, 'net');
  const names = () => (existsSync(folder) ? readdirSync(folder).sort() : []);
  return {
    path,
    folder,
    names,
    given: () =>
      Object.fromEntries(
        names()
          .filter(name => /^[0-9a-f]*[.:]/.test(name) && !name.startsWith('.'))
          .map(name => [name, readFileSync(join(folder, name), 'utf8').replace('\r\n', ' ')]),
      ),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
