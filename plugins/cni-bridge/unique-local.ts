/** Unique local IPv6 ranges for spaces (RFC 4193): a /48 an installation, and in it a /64 a space. */
import { KukeError } from 'kuke/plugin';
import { parsePrefix } from '../../src/host/netlink/inet.ts';
import { networkOf, overlaps } from './ip-range.ts';
import type { UsedRange } from './subnets.ts';

const PER_INSTALLATION = 0x10000;

/** The space's own /64, the next one where that is in use. */
export function uniqueLocalRange(
  { instance, realm, space }: { instance: string; realm: string; space: string },
  used: readonly UsedRange[],
): string {
  const global = sha256(instance).slice(0, 10);
  const wanted = Number.parseInt(sha256(`${realm}/${space}`).slice(0, 4), 16);
  const taken = used.filter(({ range }) => range.includes(':')).map(({ range }) => parsePrefix(range));
  for (let i = 0; i < PER_INSTALLATION; i++) {
    const subnet = ((wanted + i) % PER_INSTALLATION).toString(16);
    const range = `fd${global.slice(0, 2)}:${global.slice(2, 6)}:${global.slice(6)}:${subnet}::/64`;
    if (!taken.some(other => overlaps(parsePrefix(range), other))) return networkOf(range);
  }
  throw new KukeError(
    'NetworkFailed',
    `no /64 of fd${global.slice(0, 2)}:${global.slice(2, 6)}:${global.slice(6)}::/48 is free`,
    {
      remedy: 'name a free range of yours in spec.network.subnets',
    },
  );
}

const sha256 = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex');
