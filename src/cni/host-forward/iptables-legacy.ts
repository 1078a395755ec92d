/** iptables' tables of old (ip_tables), which nftables does not show: read and changed by iptables-legacy, and only where they are in use. */
import { readFileSync } from 'node:fs';
import { scrubbedEnvironment } from '../../host/environment.ts';
import { hasCode } from '../../host/errno.ts';
import { runProgram } from '../../host/program.ts';
import { endOrphans } from '../orphans.ts';
import { silent, type Trace } from '../plugins/trace.ts';
import { endOf } from './chain-end.ts';
import { type IptablesRule, type IptablesTable, parseTable } from './iptables-lines.ts';
import { FORWARD_TABLES } from './iptables-nft.ts';

type LegacyFamily = 'ip' | 'ip6';

/** What iptables said, or that it is not there (`remedy`). */
export class IptablesError extends Error {
  override readonly name = 'IptablesError';
  readonly remedy: string | undefined;

  constructor(step: string, why: string, remedy?: string) {
    super(`${step}: ${why}`);
    this.remedy = remedy;
  }
}

/** For whom iptables-legacy is run. */
export interface Errand {
  /** Ends it at once; what is thrown then is the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told of each change. */
  trace?: Trace;
  /** The attachment that it is for: it is ended with what else works for that. */
  containerId?: string | undefined;
  /** How long it may wait for /run/xtables.lock, which others hold for as long as they like; 10 s when absent. */
  lockSeconds?: number;
}

const LOCK_SECONDS = 10;
/** How long it may take in all. */
const LIMIT_MS = 30_000;
/** A table with some hundred thousand rules. */
const MOST_OUTPUT = 64 << 20;

/** Whether the kernel holds such a table of this network namespace. */
function inUse(family: LegacyFamily, table: string): boolean {
  try {
    return readFileSync(`/proc/net/${family}_tables_names`, 'utf8').split('\n').includes(table);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false; // this kernel has none
    throw error;
  }
}

/**
 * The rules for these interfaces and, unless `others` stay, no others that carry our mark, where FORWARD drops in the end. First what a
 * killed call for the same mark and attachment has left running is ended: it would put its rules in behind our back.
 */
export async function allowForward(
  mark: string,
  interfaces: readonly string[],
  { others = 'go', ...errand }: Errand & { others?: 'go' | 'stay' } = {},
): Promise<void> {
  const { trace = silent, signal, containerId } = errand;
  const places = placesOfForward();
  const variables = { KUKE_MARK: mark, ...(containerId !== undefined && { CNI_CONTAINERID: containerId }) };
  if (places.length > 0) await endOrphans(variables, signal);
  for (const { family, table } of places) {
    const { missing, stale } = forwardLines(await listTable(family, table, errand), mark, interfaces);
    const gone = others === 'go' ? stale.map(deletion) : [];
    const lines = [...gone, ...missing.map(line => line.replace(/^-A/, '-I'))];
    if (lines.length === 0) continue;
    const commands = lines.map(line => `${program(family)}${table === 'filter' ? '' : ` -t ${table}`} ${line}`);
    await trace(commands.join('; '), () => change(family, table, lines, { errand, variables }));
  }
}

/** What FORWARD has for an interface. */
export interface LegacyForward {
  /** Whether it has its rules there, where it needs them. */
  allows(name: string): boolean;
  /** Whether it has rules where it needs none. */
  surplus(name: string): boolean;
}

export async function readLegacyForward(mark: string, errand: Errand = {}): Promise<LegacyForward> {
  const tables = await Promise.all(placesOfForward().map(({ family, table }) => listTable(family, table, errand)));
  const linesFor = (name: string) => tables.map(lines => forwardLines(lines, mark, [name]));
  const isOf = (line: string, name: string) => [` -i ${name} `, ` -o ${name} `].some(words => line.includes(words));
  return {
    allows: name => linesFor(name).every(({ missing }) => missing.length === 0),
    surplus: name => linesFor(name).some(({ stale }) => stale.some(line => isOf(line, name))),
  };
}

/** The rules of `nat`, IPv4 and IPv6; none where the kernel holds no such table. */
export async function readNat(errand: Errand = {}): Promise<Record<LegacyFamily, readonly IptablesRule[]>> {
  const found: Record<LegacyFamily, readonly IptablesRule[]> = { ip: [], ip6: [] };
  for (const family of familiesWith('nat')) found[family] = parseTable(await listTable(family, 'nat', errand)).rules;
  return found;
}

/** Removes rules of `nat`, and chains with all that is in them: those of its rules and chains that `pick` answers. */
export async function removeNat(
  pick: (table: IptablesTable) => { rules: readonly IptablesRule[]; chains: readonly string[] },
  errand: Errand = {},
): Promise<void> {
  for (const family of familiesWith('nat')) {
    const { rules, chains } = pick(parseTable(await listTable(family, 'nat', errand)));
    const jumps = rules.filter(({ chain }) => !chains.includes(chain));
    const lines = [
      ...jumps.map(({ line }) => deletion(line)),
      ...chains.map(chain => `-F ${chain}`),
      ...chains.map(chain => `-X ${chain}`),
    ];
    await change(family, 'nat', lines, { errand });
  }
}

/** What of the lines of `iptables -S` is missing, and which of ours are too many. */
export function forwardLines(
  lines: readonly string[],
  mark: string,
  interfaces: readonly string[],
): { missing: string[]; stale: string[] } {
  const { rules, drops } = parseTable(lines);
  const of = (name: string) => rules.filter(({ chain }) => chain === name);
  const dropsInTheEnd = (name: string) =>
    endOf(
      of(name).map(one => one.always),
      drops(name),
      read => of(read).map(one => one.always),
    ) !== undefined;
  const chain = of('FORWARD').some(({ target }) => target === 'DOCKER-USER') ? 'DOCKER-USER' : 'FORWARD';
  const comment = `-m comment --comment "${mark}" -j ACCEPT`;
  const wanted = dropsInTheEnd('FORWARD')
    ? interfaces.flatMap(name => [
        `-A ${chain} -i ${name} ${comment}`,
        `-A ${chain} -o ${name} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT ${comment}`,
      ])
    : [];
  const present = rules.filter(rule => rule.comment === mark).map(({ line }) => line);
  return {
    missing: wanted.filter(line => !present.includes(line)),
    stale: present.filter(line => !wanted.includes(line)),
  };
}

const deletion = (line: string) => line.replace(/^-A/, '-D');

function familiesWith(table: string): LegacyFamily[] {
  return (['ip', 'ip6'] as const).filter(family => inUse(family, table));
}

function placesOfForward(): { family: LegacyFamily; table: string }[] {
  return FORWARD_TABLES.flatMap(table => familiesWith(table).map(family => ({ family, table })));
}

function program(family: LegacyFamily): string {
  return family === 'ip' ? 'iptables-legacy' : 'ip6tables-legacy';
}

async function listTable(family: LegacyFamily, table: string, errand: Errand): Promise<string[]> {
  const command: Command = [program(family), waiting(errand), '-t', table, '-S'];
  return (await run(command, { errand })).split('\n').filter(Boolean);
}

type Command = readonly [file: string, ...args: string[]];

interface Run {
  errand: Errand;
  /** By which it is found again. */
  variables?: Readonly<Record<string, string>>;
  stdin?: string;
}

const waiting = ({ lockSeconds = LOCK_SECONDS }: Errand) => `--wait=${lockSeconds}`;

/** All lines or none. */
async function change(family: LegacyFamily, table: string, lines: string[], how: Run): Promise<void> {
  if (lines.length === 0) return;
  const command: Command = [`${program(family)}-restore`, '--noflush', waiting(how.errand)];
  await run(command, { ...how, stdin: `*${table}\n${lines.join('\n')}\nCOMMIT\n` });
}

async function run(command: Command, { errand, variables, stdin = '' }: Run): Promise<string> {
  const [file, ...args] = command;
  const { signal } = errand;
  const step = command.join(' ');
  signal?.throwIfAborted();
  const bounds = { timeoutMs: LIMIT_MS, signal, stdoutLimit: MOST_OUTPUT };
  try {
    const exit = await runProgram({ file, args, env: scrubbedEnvironment(variables), stdin }, bounds);
    if (exit.stopped === 'aborted') throw signal?.reason;
    if (exit.stopped === 'timed-out') throw new IptablesError(step, `it took over ${LIMIT_MS / 1000} s`);
    if (exit.stopped === 'flooded') throw new IptablesError(step, `it said more than ${MOST_OUTPUT} bytes`);
    if (exit.status === 0) return exit.stdout;
    const how = exit.killedBy === undefined ? `exit status ${exit.status}` : `killed by ${exit.killedBy}`;
    throw new IptablesError(step, `${how}: ${exit.stderr.trim()}`);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    const why = 'iptables of old is in use on this host, and its program is not installed';
    throw new IptablesError(step, why, 'install the package iptables');
  }
}
