/**
 * `route_localnet` of a bridge, without which nothing from 127.0.0.1 leaves by it. It is on while an attachment behind the bridge publishes
 * ports, and goes off with the last one if it was turned on here: the reference plugin, whose attachments may be behind the bridge too,
 * never turns it off.
 */
import { hasCode } from '../../../host/errno.ts';
import { checkInterfaceName } from '../../../host/interface-name.ts';
import type { Elements } from '../../../host/nftables/object.ts';
import { readSysctl, writeSysctl } from '../../../host/sysctl.ts';
import { PluginError } from '../plugin-error.ts';
import type { Trace } from '../trace.ts';
import type { PortSection } from './sections.ts';

const nameOf = (link: string) => `net/ipv4/conf/${link}/route_localnet`;
const read = (link: string): string => readSysctl(nameOf(link)).trim();

const OFF = '0';
/** To the kernel any number but 0 is on (`sysctl -w` takes any). Others write 1, so that this one says by whom, whatever becomes of the rules. */
const OURS = '2';

/** Throws PluginError if there is no such interface. */
export function isOn(bridge: string): boolean {
  try {
    checkInterfaceName(bridge);
    return read(bridge) !== OFF;
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !(error instanceof RangeError)) throw error;
  }
  const name = JSON.stringify(bridge);
  throw new PluginError('InvalidConfig', `prevResult.interfaces: there is no interface ${name} on this host`);
}

export function turnOn(bridge: string, trace: Trace): void {
  if (!isOn(bridge)) write(bridge, OURS, trace);
}

function write(bridge: string, value: string, trace: Trace): void {
  trace(`sysctl -w ${nameOf(bridge)}=${value}`, () => writeSysctl(nameOf(bridge), value));
}

/** The bridges behind which something is published, of a section's sets. */
export function bridgesIn({ localnet }: PortSection, sets: readonly Elements[]): string[] {
  const found = sets.find(({ set }) => set.set === localnet?.set);
  return found?.elements.map(({ key: [bridge = ''] }) => bridge) ?? [];
}

/** Turns it on where it is wanted, off where it is not any more. A bridge that is gone needs nothing. */
export function adjust(wanted: readonly string[], unwanted: readonly string[], trace: Trace): void {
  for (const bridge of wanted) exchange(bridge, OFF, OURS, trace);
  for (const bridge of unwanted) exchange(bridge, OURS, OFF, trace);
}

function exchange(bridge: string, from: string, to: string, trace: Trace): void {
  try {
    if (read(bridge) === from) write(bridge, to, trace);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
