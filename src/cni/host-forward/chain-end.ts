/** Where a chain drops whatever has come so far: by a rule, by a chain that it leads to, or by its policy. */
import type { Verdict } from '../../host/nftables/expression.ts';

/** What becomes of every packet that gets to a rule; undefined where that depends, or where it goes on to the next rule. */
export type Always = Verdict | undefined;

/**
 * The index of that rule among a base chain's; behind the last one for a policy; undefined where nothing drops all. `read` gives the rules
 * of another chain of the table.
 */
export function endOf(
  rules: readonly Always[],
  policyDrops: boolean,
  read: (chain: string) => readonly Always[],
): number | undefined {
  const seen = new Set<string>();
  // Each chain once: one that comes again has been seen not to drop.
  return search(rules, policyDrops, chain => {
    if (seen.has(chain)) return [];
    seen.add(chain);
    return read(chain);
  });
}

function search(
  rules: readonly Always[],
  policyDrops: boolean,
  read: (chain: string) => readonly Always[],
): number | undefined {
  for (const [index, verdict] of rules.entries()) {
    if (verdict === 'drop') return index;
    if (verdict === 'accept') return undefined;
    if (verdict === 'return') return policyDrops ? index : undefined;
    if (verdict === undefined || verdict === 'continue') continue;
    const target = 'jump' in verdict ? verdict.jump : verdict.goto;
    if (search(read(target), false, read) !== undefined) return index;
    if ('goto' in verdict) return policyDrops ? index : undefined;
  }
  return policyDrops ? rules.length : undefined;
}
