/** Names of networks and bridges (spec.md §4): the same pair of realm and space always gets the same, different pairs different ones. */
import { canStandInRule } from '../../src/host/interface-name.ts';

/** What a bridge of a space may be called: the rules name it. */
export const isLegalBridge: (name: string) => boolean = canStandInRule;

/** `kuke-main-default`, or `kuke-` and ten characters of hash where that is too long or could be read as another pair's. */
export function bridgeName(realm: string, space: string): string {
  const plain = `kuke-${realm}-${space}`;
  const isPlain = plain.length <= 15 && !realm.includes('-') && !space.includes('-');
  return isPlain ? plain : `kuke-${pairHash(realm, space).slice(0, 10)}`;
}

/** The first name that no other pair has: `main-default`, else with ever more of the pair's hash behind it. */
export function networkName(realm: string, space: string, isTaken: (name: string) => boolean): string {
  const plain = `${realm}-${space}`;
  const hash = pairHash(realm, space);
  const candidates = [plain, ...[8, 16, 32].map(length => `${plain}-${hash.slice(0, length)}`)];
  return candidates.find(name => !isTaken(name)) ?? `${plain}-${hash}`;
}

/** Letters and digits; a slash is in no name, so no two pairs read alike. */
function pairHash(realm: string, space: string): string {
  const digest = new Bun.CryptoHasher('sha256').update(`${realm}/${space}`).digest('hex');
  return BigInt(`0x${digest}`).toString(36).padStart(50, '0');
}
