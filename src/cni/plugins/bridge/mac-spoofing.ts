/** `macspoofchk`: from a port come only frames with the MAC of the container's interface. */
import { NetlinkSocket } from '../../../host/netlink/socket.ts';
import { nameOf } from '../../../host/nftables/explain.ts';
import { chain, type Elements, elements, rule, set } from '../../../host/nftables/object.ts';
import { drop, inSet, notInSet } from '../../../host/nftables/statement.ts';
import { addElements, BRIDGE, lacking, removeElements, type Section } from '../../ruleset.ts';
import { isStale, labelOf } from '../label.ts';
import type { AttachmentCall, GcCall, PluginCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';

const chainOfFrames = chain(BRIDGE, 'frames', { type: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' });
const ports = set(BRIDGE, 'checked_ports', ['ifname']);
const macs = set(BRIDGE, 'own_macs', ['ifname', 'ether_addr']);

/** What is in the kernel for it. */
export const MAC_SPOOFING: Section = {
  table: BRIDGE,
  chains: [chainOfFrames],
  sets: [ports, macs],
  rules: [
    rule(
      chainOfFrames,
      [inSet('iifname', ports.set), notInSet(['iifname', 'ether saddr'], macs.set), drop()],
      'from a MAC that is not its own',
    ),
  ],
};

interface Checked {
  port: string;
  mac: string;
}

function elementsOf(call: AttachmentCall, { port, mac }: Checked): Elements[] {
  const comment = labelOf(call.network, call);
  return [elements(ports, [{ key: [port], comment }]), elements(macs, [{ key: [port, mac], comment }])];
}

export function checkFrames(call: AttachmentCall, what: Checked): void {
  using socket = new NetlinkSocket('netfilter');
  addElements(socket, MAC_SPOOFING, elementsOf(call, what), { trace: call.trace });
}

export function uncheckFrames(call: AttachmentCall): void {
  const label = labelOf(call.network, call);
  removeLabelled(call, comment => comment === label);
}

export function collectChecks(call: GcCall): void {
  removeLabelled(call, isStale(call.network, call.valid));
}

function removeLabelled({ trace }: PluginCall, isGone: (label: string) => boolean): void {
  using socket = new NetlinkSocket('netfilter');
  removeElements(socket, MAC_SPOOFING, ({ comment = '' }) => isGone(comment), { trace });
}

/** Throws PluginError if something of it is missing. */
export function requireFramesChecked(call: AttachmentCall, what: Checked): void {
  using socket = new NetlinkSocket('netfilter');
  const [first] = lacking(socket, MAC_SPOOFING, elementsOf(call, what));
  if (first === undefined) return;
  throw new PluginError('Internal', `macspoofchk: ${nameOf(first)} is missing or was changed; ADD puts it back`);
}
