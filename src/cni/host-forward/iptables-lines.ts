/** What `iptables -S` says, understood as far as it matters here: chains, policies, where rules lead and what they are marked with. */
import type { Always } from './chain-end.ts';

export interface IptablesRule {
  /** As it stands: `-A FORWARD -i eth0 -j ACCEPT`. */
  line: string;
  chain: string;
  /** Target or chain: `ACCEPT`, `DOCKER-USER`. */
  target: string | undefined;
  comment: string | undefined;
  /** What it does with every packet; undefined also where it matches only some. */
  always: Always;
}

export interface IptablesTable {
  chains: readonly string[];
  rules: readonly IptablesRule[];
  /** Whether a base chain's policy is DROP. */
  drops(chain: string): boolean;
}

export function parseTable(lines: readonly string[]): IptablesTable {
  const chains = lines.flatMap(line => /^-N (\S+)/.exec(line)?.[1] ?? []);
  const rules = lines.flatMap(line => parseRule(line) ?? []);
  return { chains, rules, drops: chain => lines.includes(`-P ${chain} DROP`) };
}

/** Words, those in quotes as one: in them iptables escapes quotes and backslashes. */
const WORD = /"(?:[^"\\]|\\.)*"|\S+/g;

function parseRule(line: string): IptablesRule | undefined {
  const [add, chain = '', ...words] = line.match(WORD) ?? [];
  if (add !== '-A') return undefined;
  let comment: string | undefined;
  let isForAll = true;
  for (let at = 0; at < words.length; at++) {
    const [option, value = ''] = words.slice(at, at + 2);
    if (option === '-j' || option === '-g') {
      const always = isForAll ? verdictOf(option, value) : undefined;
      return { line, chain, target: value, comment, always };
    }
    const isComment = option === '--comment';
    if (isComment) comment = unquoted(value);
    if (isComment || (option === '-m' && value === 'comment')) at++;
    else isForAll = false;
  }
  return { line, chain, target: undefined, comment, always: undefined };
}

/** A target that lets a packet go on to the next rule (LOG, MARK) is taken for a chain: there is none of that name, so nothing in it drops. */
function verdictOf(option: '-j' | '-g', target: string): Always {
  if (option === '-g') return { goto: target };
  if (target === 'DROP' || target === 'REJECT') return 'drop';
  if (target === 'ACCEPT') return 'accept';
  return target === 'RETURN' ? 'return' : { jump: target };
}

function unquoted(word: string): string {
  return word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word;
}
