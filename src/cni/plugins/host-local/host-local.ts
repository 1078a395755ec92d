/** The IPAM plugin `host-local`: gives addresses out of ranges, and remembers on this host's disk who has which. */
import type { Result } from '../../result.ts';
import type { CniPlugin, PluginCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { formatNumber, parseNumber } from './address.ts';
import { allocate, assign } from './allocate.ts';
import { parseHostLocal, requestedAddresses, reservationsFolder } from './config.ts';
import { inExisting, inReservations } from './locked.ts';
import { type RangeSet, rangeOf } from './range.ts';

/** DEL and GC need no more of the configuration than the folder, so that they do their work whatever has become of the ranges. */
export const hostLocal: CniPlugin = {
  async add(call) {
    const folder = reservationsFolder(call);
    const { sets, routes, resolvConf } = parseHostLocal(call);
    const wanted = assign(sets, requestedAddresses(call));
    const dns = resolvConf === '' ? undefined : (await import('./resolv-conf.ts')).readResolvConf(resolvConf);
    const ips = await inReservations(folder, call, reservations => allocate(reservations, sets, wanted, call));
    return { cniVersion: call.cniVersion, interfaces: [], ips, routes, ...(dns && { dns }) } satisfies Result;
  },

  async del(call) {
    await inExisting(reservationsFolder(call), call, reservations => reservations.release(reservations.heldBy(call)));
  },

  async check(call) {
    const folder = reservationsFolder(call);
    const { sets } = parseHostLocal(call);
    const held = (await inExisting(folder, call, reservations => reservations.heldBy(call))) ?? [];
    const lost = given(call, sets).filter(address => !held.includes(address));
    if (held.length > 0 && lost.length === 0) return;
    const msg = `host-local: Failed to find address added by container ${call.containerId}`;
    const details = held.length === 0 ? 'it has none' : `it has ${held.join(' ')}, and not ${lost.join(' ')}`;
    throw new PluginError('Internal', msg, `${details} in ${folder}`);
  },

  async gc(call) {
    await inExisting(reservationsFolder(call), call, reservations => reservations.collect(call.valid));
  },

  async status(call) {
    const { requireUsable } = await import('./status.ts');
    requireUsable(reservationsFolder(call), parseHostLocal(call).sets, call.network);
  },
};

/** The addresses that the ADD's result has from these sets. */
function given({ prevResult }: PluginCall, sets: readonly RangeSet[]): string[] {
  const addresses = (prevResult?.ips ?? []).map(({ address }) => parseNumber(address.slice(0, address.indexOf('/'))));
  return addresses.filter(address => sets.some(set => rangeOf(set, address))).map(formatNumber);
}
