/**
 * A row of the table: a network, what ADD answers, what is then in the kernel, and that nothing of it is there after DEL. Each runs on a
 * host of its own:
 *
 *     cases('bridge', [{ name: 'mtu', plugins: () => [{ type: 'bridge', mtu: 1400 }], state: async ({ container }) => { ... } }]);
 */
import { describe, expect, test } from 'bun:test';
import { difference } from '../../host/observe/inventory.ts';
import type { Difference } from './differences.ts';
import { type Container, Host } from './host.ts';
import { alwaysLeft, has } from './implementation.ts';
import { type Attachment, add, check, del, type Network, type Plugin } from './network.ts';
import type { Answer, Json } from './plugin.ts';

/** A case that has got as far as ADD. */
export interface Made {
  host: Host;
  container: Container;
  attachment: Attachment;
  /** What ADD answered. */
  result: Json;
}

interface Expectation {
  /** Matched by the result of ADD: what is not named may be anything. */
  result?: Json | ((host: Host, container: Container) => Json) | undefined;
  /** ADD fails with this code of the specification's, and leaves nothing. */
  error?: number | { code: number; msg: RegExp } | undefined;
  /** Asserts what is in the kernel and on disk after ADD. */
  state?: ((made: Made) => Promise<void>) | undefined;
  /** What CHECK answers after that: 0, the default, or the code of its error. */
  check?: number;
  /** What may stay, besides the bridge, when all is over. */
  leaves?: RegExp[];
}

export interface Case extends Expectation {
  name: string;
  plugins: (host: Host) => Plugin[];
  cniVersion?: string;
  network?: string;
  /** CNI_ARGS, CNI_IFNAME, CNI_CONTAINERID, CNI_NETNS where they are not the usual ones. */
  args?: string;
  ifName?: string;
  containerId?: string;
  netns?: string;
  runtimeConfig?: Json;
  prevResult?: Json | ((container: Container) => Json);
  /** Makes the host what it has to be before. */
  prepare?: (host: Host, container: Container) => Promise<unknown>;
  /** What else is expected of the implementations that have a difference. */
  unless?: Partial<Record<Difference, Expectation>>;
}

/** An IPAM network's own files, which stay for the next attachment. */
const OF_IPAM = [/^file \S+\/$/, /^file \S+\/(?:lock|last_reserved_ip\.\d+)$/];
/** What stays by design, since it is not an attachment's: those, and the bridge with the gateway's address. */
const SHARED = [/^link (?!veth)\S+ up$/, /^address \S+ (?!eth)/, /^route \S+ (?!eth)\S+$/, ...OF_IPAM];

export function cases(about: string, table: Case[]): void {
  describe(about, () => {
    for (const row of table) test(row.name, () => run(row));
  });
}

/** Where plugins know no code but 999 for the error: what they say, and what they leave. */
export function internal(msg: RegExp, leaves: RegExp[] = []): Case['unless'] & object {
  return { 'internal errors': { error: { code: 999, msg }, leaves } };
}

/** Runs `body` on a host of its own. */
export async function onHost(body: (host: Host) => Promise<void>): Promise<void> {
  const host = await Host.make();
  try {
    await body(host);
  } finally {
    await host.end();
  }
}

async function run(row: Case): Promise<void> {
  await onHost(async host => {
    const container = await host.container();
    const attachment = attachmentOf(row, host, container);
    const expected = expectationOf(row);
    await row.prepare?.(host, container);
    const before = await host.snapshot();
    const prevResult = typeof row.prevResult === 'function' ? row.prevResult(container) : row.prevResult;
    const answer = await add(attachment, prevResult);
    if (expected.error !== undefined) {
      expectError(answer, expected.error, attachment.network.cniVersion);
      expect(left(before, await host.snapshot(), expected.leaves, OF_IPAM)).toEqual([]);
      return;
    }
    const result = expectResult(answer, attachment.network.cniVersion);
    const { result: shape } = expected;
    if (shape !== undefined) expectMatch(result, typeof shape === 'function' ? shape(host, container) : shape);
    await expected.state?.({ host, container, attachment, result });
    if (attachment.network.cniVersion >= '0.4.0') {
      const checked = await check(attachment, result);
      if (expected.check) expectError(checked, expected.check, attachment.network.cniVersion);
      else expect({ status: checked.status, stdout: checked.stdout }).toEqual({ status: 0, stdout: '' });
    }
    await expectNothingAfterDel({ host, container, attachment, result }, before, expected.leaves);
  });
}

/** DEL answers nothing and leaves nothing, also the second time. */
export async function expectNothingAfterDel(made: Made, before: string[], leaves: RegExp[] = []): Promise<void> {
  for (const time of ['first', 'second']) {
    const { status, stdout, stderr } = await del(made.attachment, made.result);
    expect({ time, status, stdout, stderr }).toEqual({ time, status: 0, stdout: '', stderr: expect.any(String) });
    expect(left(before, await made.host.snapshot(), leaves)).toEqual([]);
  }
}

/** What is there now and was not, and the reverse, without what is shared and what is known to stay. */
export function left(before: string[], after: string[], expected: RegExp[] = [], shared = SHARED): string[] {
  return difference(before, after, [...shared, ...alwaysLeft(), ...expected]);
}

export function attachmentOf(row: Case, host: Host, container: Container): Attachment {
  const { cniVersion = '1.0.0', network: name = 'net', ifName = 'eth0', netns = container.netns } = row;
  const { containerId = container.name, args, runtimeConfig } = row;
  const network: Network = { cniVersion, name, plugins: row.plugins(host) };
  return { host, network, containerId, netns, ifName, args, runtimeConfig };
}

export function expectationOf({ unless = {}, ...row }: Case): Expectation {
  const differing = Object.entries(unless).flatMap(([name, other]) => (has(name as Difference) ? [other] : []));
  return Object.assign({}, row, ...differing);
}

/** bun's toMatchObject writes the matchers into what it is given. */
export function expectMatch(value: unknown, shape: Json): void {
  expect(structuredClone(value)).toMatchObject(shape);
}

/** One JSON document in the version that was asked for, and an exit status of 0. */
export function expectResult({ status, stdout, stderr, json }: Answer, cniVersion: string): Json {
  expect({ status, stdout, stderr }).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^\{/),
    stderr: expect.any(String),
  });
  expect(json?.cniVersion).toBe(cniVersion);
  return json ?? {};
}

/** The specification's error object on stdout (section 5), and an exit status that is not 0. */
export function expectError(
  answer: Answer,
  expected: number | { code: number; msg: RegExp },
  cniVersion?: string,
): void {
  const { code, msg } = typeof expected === 'number' ? { code: expected, msg: /./ } : expected;
  const { msg: said, details = '' } = answer.json ?? {};
  expect({ code: answer.json?.code, said: `${said} ${details}`, answer }).toEqual({
    code,
    said: expect.stringMatching(msg),
    answer: expect.anything(),
  });
  expect(said).toBeString();
  expect(answer.status).toBeGreaterThan(0);
  if (cniVersion !== undefined && !has('errors without a version')) expect(answer.json?.cniVersion).toBe(cniVersion);
}
