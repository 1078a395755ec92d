/** What a network with some containers should look like, after whatever happened to it, and what it looks like. */
import { expect } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { links } from '../../../host/observe/network.ts';
import { expectMatch } from '../case.ts';
import { bridge, DEFAULT_ROUTE } from '../configs.ts';
import type { Container, Host } from '../host.ts';
import { has } from '../implementation.ts';
import { type Attachment, check, type Plugin } from '../network.ts';
import type { Json } from '../plugin.ts';
import { addressesOf, addressOf, rulesAbout } from '../views.ts';

/** Of those that lose track of their rules only what needs none can be asked for. */
export const LEAKY = has('NAT rules by address');

export function plugins(host: Host): Plugin[] {
  const main = bridge(host, { isGateway: true, ipMasq: !LEAKY, macspoofchk: !LEAKY }, DEFAULT_ROUTE);
  return LEAKY ? [main] : [main, { type: 'portmap', capabilities: { portMappings: true } }, { type: 'firewall' }];
}

/**
 * `attached`, `detached` · `lost`: attached, then its namespace went · `unknown`: a plugin was killed over it.
 * Of the last two everything may be there or not, until a DEL or a GC.
 */
export type State = 'attached' | 'detached' | 'lost' | 'unknown';

export interface Pod {
  container: Container;
  attachment: Attachment;
  state: State;
  /** What the last ADD answered. */
  result: Json | undefined;
}

export interface Real {
  host: Host;
  pods: Pod[];
  /** Milliseconds that the plugins of the chain take, in the order in which the verb runs them. */
  durations: Record<'ADD' | 'DEL', number[]>;
}

/** fast-check's model: the same states, to decide what may happen next. */
export interface Model {
  states: State[];
}

const SUBNET = /10\.77\.0\.(\d+)/g;

/** Compares the kernel and the disk with what the pods' states ask for. */
export async function compare({ host, pods }: Pick<Real, 'host' | 'pods'>): Promise<void> {
  const attached = pods.filter(({ state }) => state === 'attached');
  const unsure = pods.filter(({ state }) => state === 'lost' || state === 'unknown');
  const addressesNow = attached.map(({ result }) => addressOf(result ?? {}));
  for (const [index, { container, state }] of pods.entries()) {
    if (state === 'unknown') continue;
    const address = addressOf(pods[index]?.result ?? {});
    expect({ index, state, addresses: await inside(container) }).toEqual({
      index,
      state,
      addresses: state === 'attached' ? [`${address}/24`] : [],
    });
  }
  const ports = (await links(host.name)).filter(({ master }) => master === 'br0').length;
  const known = pods.filter(({ state }) => state === 'unknown').length;
  expect(ports).toBeGreaterThanOrEqual(attached.length);
  expect(ports).toBeLessThanOrEqual(attached.length + known);

  const reserved = reservations(host);
  for (const { attachment, result } of attached) {
    expect(reserved.get(addressOf(result ?? {}))).toBe(attachment.containerId);
  }
  const owners = new Set([...attached, ...unsure].map(({ attachment }) => attachment.containerId));
  expect([...reserved.values()].filter(owner => !owners.has(owner))).toEqual([]);
  expect(new Set(reserved.values()).size).toBe(reserved.size);

  // Rules of the unsure may name their addresses, which nobody else has as long as they are reserved.
  const allowed = new Set([...addressesNow, ...reserved.keys(), '10.77.0.0', '10.77.0.1', '10.77.0.255']);
  const named = new Set((await rulesAbout(host.name, '10.77.0.\\d+')).flatMap(line => line.match(SUBNET) ?? []));
  if (unsure.length === 0) expect([...named].filter(address => !allowed.has(address))).toEqual([]);
  if (!LEAKY) expect(addressesNow.filter(address => !named.has(address))).toEqual([]);
}

/** All attachments say themselves that they are whole. */
export async function checkAll({ pods }: Real): Promise<void> {
  for (const { attachment, result, state } of pods) {
    if (state === 'attached') expectMatch(await check(attachment, result), { status: 0, stdout: '' });
  }
}

async function inside({ name }: Container): Promise<string[]> {
  return await addressesOf(name, 'eth0');
}

/** Container ids by address. */
function reservations(host: Host): Map<string, string> {
  const folder = `${host.folder}/ipam/net`;
  const names = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.name.startsWith('10.'));
  return new Map(names.map(({ name }) => [name, readFileSync(`${folder}/${name}`, 'utf8').split('\r\n')[0] ?? '']));
}
