/** iptables' tables of old (ip_tables), which nftables does not show: read and changed by iptables-legacy, and only where they are in use. */
import { readFileSync } from 'node:fs';
import { scrubbedEnvironment } from '../../host/environment.ts';
import { hasCode } from '../../host/errno.ts';
import { silent, type Trace } from '../plugins/trace.ts';

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

/** Whether the kernel holds such a table of this network namespace. */
function inUse(family: LegacyFamily, table: string): boolean {
  try {
    return readFileSync(`/proc/net/${family}_tables_names`, 'utf8').split('\n').includes(table);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false; // this kernel has none
    throw error;
  }
}

/** The rules for these interfaces and, unless `others` stay, no others that carry our mark, where FORWARD drops in the end. */
export async function allowForward(
  mark: string,
  interfaces: readonly string[],
  { others = 'go', trace = silent }: { others?: 'go' | 'stay'; trace?: Trace } = {},
): Promise<void> {
  for (const family of familiesWith('filter')) {
    const { missing, stale } = forwardLines(await listTable(family, 'filter'), mark, interfaces);
    const gone = others === 'go' ? stale.map(deletion) : [];
    const lines = [...gone, ...missing.map(line => line.replace(/^-A/, '-I'))];
    if (lines.length === 0) continue;
    const commands = lines.map(line => `${program(family)} ${line}`);
    await trace(commands.join('; '), () => change(family, 'filter', lines));
  }
}

/** Reads FORWARD; the answer says of an interface whether it has its rules there, where it needs them. */
export async function readLegacyForward(mark: string): Promise<(name: string) => boolean> {
  const tables = await Promise.all(familiesWith('filter').map(family => listTable(family, 'filter')));
  return name => tables.every(lines => forwardLines(lines, mark, [name]).missing.length === 0);
}

/** Removes rules of `nat` whose comment `isOurs` says yes to, and the chains that the reference plugins made for them. */
export async function removeNat(isOurs: (comment: string) => boolean): Promise<void> {
  for (const family of familiesWith('nat')) {
    const ours = (await listTable(family, 'nat')).filter(line => isOurs(commentOf(line) ?? ''));
    const chains = [...new Set(ours.flatMap(line => /^-A (CNI-\S+) /.exec(line)?.[1] ?? []))];
    const jumps = ours.filter(line => !line.startsWith('-A CNI-'));
    await change(family, 'nat', [...jumps.map(deletion), ...chains.flatMap(chain => [`-F ${chain}`, `-X ${chain}`])]);
  }
}

/** What of the lines of `iptables -S` is missing, and which of ours are too many. */
export function forwardLines(
  lines: readonly string[],
  mark: string,
  interfaces: readonly string[],
): { missing: string[]; stale: string[] } {
  const chain = lines.includes('-A FORWARD -j DOCKER-USER') ? 'DOCKER-USER' : 'FORWARD';
  const comment = `-m comment --comment "${mark}" -j ACCEPT`;
  const wanted = dropsInTheEnd(lines)
    ? interfaces.flatMap(name => [
        `-A ${chain} -i ${name} ${comment}`,
        `-A ${chain} -o ${name} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT ${comment}`,
      ])
    : [];
  const present = lines.filter(line => commentOf(line) === mark);
  return {
    missing: wanted.filter(line => !present.includes(line)),
    stale: present.filter(line => !wanted.includes(line)),
  };
}

/** By its policy, or by a rule that all get to. */
function dropsInTheEnd(lines: readonly string[]): boolean {
  const decisive = lines.find(line => /^-A FORWARD -j (?:ACCEPT|DROP|REJECT)\b/.test(line));
  return decisive === undefined ? lines.includes('-P FORWARD DROP') : !decisive.endsWith('-j ACCEPT');
}

/** The text of a rule's comment, of which iptables escapes quotes. */
export function commentOf(line: string): string | undefined {
  return /--comment "((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replace(/\\(.)/g, '$1');
}

const deletion = (line: string) => line.replace(/^-A/, '-D');

function familiesWith(table: string): LegacyFamily[] {
  return (['ip', 'ip6'] as const).filter(family => inUse(family, table));
}

function program(family: LegacyFamily): string {
  return family === 'ip' ? 'iptables-legacy' : 'ip6tables-legacy';
}

async function listTable(family: LegacyFamily, table: string): Promise<string[]> {
  return (await run([program(family), '--wait', '-t', table, '-S'], '')).split('\n').filter(Boolean);
}

/** All lines or none. */
async function change(family: LegacyFamily, table: string, lines: string[]): Promise<void> {
  if (lines.length === 0) return;
  const command = [`${program(family)}-restore`, '--noflush', '--wait'];
  await run(command, `*${table}\n${lines.join('\n')}\nCOMMIT\n`);
}

async function run(command: string[], stdin: string): Promise<string> {
  const step = command.join(' ');
  try {
    const child = Bun.spawn(command, {
      env: scrubbedEnvironment(),
      cwd: '/',
      stdin: new TextEncoder().encode(stdin),
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [stdout, stderr, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (status === 0) return stdout;
    throw new IptablesError(step, `exit status ${status}: ${stderr.trim()}`);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    const why = 'iptables of old is in use on this host, and its program is not installed';
    throw new IptablesError(step, why, 'install the package iptables');
  }
}
