/** The rules of an attachment without the rest of it: what is to be put back after somebody's `nft flush ruleset`. */
import { masquerade } from '../masquerade.ts';
import type { AttachmentCall } from '../plugin.ts';
import { parseConfig } from './config.ts';
import { checkFrames } from './mac-spoofing.ts';
import { portName } from './port.ts';

/** By prevResult, which has to be the result of the whole ADD. Where they are there nothing changes. */
export function putBackRules(call: AttachmentCall): void {
  const { bridge, ipMasq, macSpoofCheck } = parseConfig(call);
  const { interfaces = [], ips = [] } = call.prevResult ?? {};
  const inside = interfaces.findIndex(({ name, sandbox }) => name === call.ifName && sandbox);
  const mac = interfaces[inside]?.mac;
  if (macSpoofCheck && mac) checkFrames(call, { port: portName(call), mac });
  const addresses = ips.filter(one => one.interface === undefined || one.interface === inside).map(one => one.address);
  if (ipMasq && addresses.length > 0) masquerade.add(call, { addresses, bridge });
}
