/**
 * `route_localnet` of a bridge, without which nothing from 127.0.0.1 leaves by it. It is wanted while an attachment behind the bridge publishes
 * ports; with the last one it is turned off again if it was turned on here, as the comment on the bridge's element tells.
 */
import { hasCode } from '../../../host/errno.ts';
import type { Element, Elements } from '../../../host/nftables/object.ts';
import { readSysctl, writeSysctl } from '../../../host/sysctl.ts';
import { PluginError } from '../plugin-error.ts';
import type { Trace } from '../trace.ts';
import type { PortSection } from './sections.ts';

export const TURNED_ON = 'turned on here';

const nameOf = (bridge: string) => `net/ipv4/conf/${bridge}/route_localnet`;

/** Throws PluginError if there is no such interface. */
export function isOn(bridge: string): boolean {
  try {
    return readSysctl(nameOf(bridge)).trim() !== '0';
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    throw new PluginError(
      'InvalidConfig',
      `prevResult.interfaces: there is no interface ${bridge} on this host`,
      '',
      error,
    );
  }
}

export function turn(bridge: string, on: boolean, trace: Trace): void {
  const value = on ? 1 : 0;
  trace(`sysctl -w ${nameOf(bridge)}=${value}`, () => writeSysctl(nameOf(bridge), value));
}

/** Turns it off for the bridges that are gone from the set, on again for those that stay. A bridge that is not there any more needs nothing. */
export function adjust(
  section: PortSection,
  gone: readonly Elements[],
  staying: readonly Elements[],
  trace: Trace,
): void {
  for (const [list, on] of [
    [gone, false],
    [staying, true],
  ] as const) {
    const known = list.find(({ set }) => set.set === section.localnet?.set)?.elements ?? [];
    for (const bridge of known.filter(wasTurnedOn).map(({ key: [name = ''] }) => name)) adjustOne(bridge, on, trace);
  }
}

const wasTurnedOn = ({ comment }: Element) => comment === TURNED_ON;

function adjustOne(bridge: string, on: boolean, trace: Trace): void {
  try {
    if ((readSysctl(nameOf(bridge)).trim() !== '0') !== on) turn(bridge, on, trace);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
