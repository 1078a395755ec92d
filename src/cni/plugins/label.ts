/** How what a plugin makes in the kernel says whose it is: the alias of a link, the comment of an element. */
import type { Endpoint } from './plugin.ts';

const MAX_NETWORK = 40;
const MAX_ENDPOINT = 80;

/** `main-default 5d0c...c1/eth0`: at most 121 bytes, so that it fits into an nft comment. Long parts are shortened with a hash. */
export function labelOf(network: string, { containerId, ifName }: Endpoint): string {
  return `${networkPart(network)} ${shortened(`${containerId}/${ifName}`, MAX_ENDPOINT)}`;
}

/** Whether a label is of that network. */
export function isOfNetwork(network: string, label: string): boolean {
  return label.startsWith(`${networkPart(network)} `);
}

/** Whether a label is of that network and of none of these attachments: what GC removes. */
export function isStale(network: string, valid: readonly Endpoint[]): (label: string) => boolean {
  const kept = new Set(valid.map(endpoint => labelOf(network, endpoint)));
  return label => isOfNetwork(network, label) && !kept.has(label);
}

/** The first word of a label. */
export const networkPart = (network: string) => shortened(network, MAX_NETWORK);

function shortened(text: string, limit: number): string {
  if (Buffer.byteLength(text) <= limit) return text;
  return `${Buffer.from(text)
    .subarray(0, limit - 17)
    .toString('latin1')}-${digest(text, 16)}`;
}

/** The first digits of a hash, for names that have to be short. */
export function digest(text: string, digits: number): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, digits);
}
