/**
 * The plugin `firewall`: an attachment may speak to the outside and get answers, and published ports lead to it, also where the host's own
 * rules drop what nobody accepts; `ingressPolicy` says who else may reach it. Those rules of the host's get marked ones by bridge, which
 * go with the network's last attachment to it; the reference plugin has chains of iptables that it never removes.
 */
import { canStandInRule } from '../../../host/interface-name.ts';
import { requireLink, setLink } from '../../../host/netlink/link.ts';
import { NetlinkSocket } from '../../../host/netlink/socket.ts';
import type { Change } from '../../../host/nftables/change.ts';
import { nameOf } from '../../../host/nftables/explain.ts';
import { getElement, getTable, readGeneration } from '../../../host/nftables/list.ts';
import { type Elements, elements, table } from '../../../host/nftables/object.ts';
import { update } from '../../../host/nftables/reconcile.ts';
import { explainForward } from '../../host-forward/explain.ts';
import { readForward } from '../../host-forward/forward.ts';
import { allowForward, type Errand, readLegacyForward } from '../../host-forward/iptables-legacy.ts';
import type { Result } from '../../result.ts';
import { addElements, lacking, readSection, removeElements } from '../../ruleset.ts';
import { isOfNetwork, isStale, labelOf, networkPart } from '../label.ts';
import type { AttachmentCall, CniPlugin, GcCall, PluginCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { removeReferenceForward } from '../reference-rules.ts';
import { tearDown } from '../tear-down.ts';
import { type FirewallConfig, readConfig, unsupported } from './config.ts';
import { type Attached, bridgesIn, FIREWALL, goneWith, ownElements, sharedElements } from './section.ts';

/** In whose rules in the host's chains these are found again. */
export function forwardMark(network: string): string {
  return `kukeon network ${networkPart(network)}`;
}

async function add(call: AttachmentCall): Promise<Result> {
  const config = readConfig(call);
  const prevResult = requirePrevResult(call);
  using socket = new NetlinkSocket('netfilter');
  requireNoZone(socket, config);
  const attached = attachedOf(call, prevResult, config);
  if (attached === undefined) return prevResult;
  try {
    addElements(socket, FIREWALL, () => [...ownElements(attached), ...notThere(socket, sharedElements(attached))], {
      trace: call.trace,
    });
    await allow(socket, call, attached);
    if (attached.policy === 'isolated') isolatePort(call, prevResult);
  } catch (error) {
    // Also when it was called off; then not for long.
    await withdraw({ ...call, signal: undefined, lockSeconds: 1 }, label => label === attached.label);
    throw error;
  }
  return prevResult;
}

async function del(call: AttachmentCall): Promise<void> {
  const own = labelOf(call.network, call);
  const failure = await tearDown([() => withdraw(call, label => label === own), () => removeReferenceForward(call)]);
  if (failure) throw failure;
}

async function gc(call: GcCall): Promise<void> {
  await withdraw(call, isStale(call.network, call.valid));
}

async function check(call: AttachmentCall): Promise<void> {
  const attached = attachedOf(call, requirePrevResult(call), readConfig(call));
  if (attached === undefined) return;
  using socket = new NetlinkSocket('netfilter');
  const [first] = lacking(socket, FIREWALL, [...ownElements(attached), ...sharedElements(attached)]);
  if (first !== undefined) throw changed(nameOf(first));
  const mark = forwardMark(call.network);
  const legacy = await readLegacyForward(mark, call);
  if (!readForward(socket, mark).allows(attached.by) || !legacy.allows(attached.by)) {
    throw changed(`a rule marked "${mark}" in the host's own rules for what is forwarded`);
  }
}

async function status(call: PluginCall): Promise<void> {
  const config = readConfig(call);
  try {
    using socket = new NetlinkSocket('netfilter');
    readGeneration(socket);
    requireNoZone(socket, config);
  } catch (error) {
    if (error instanceof PluginError) throw error;
    throw new PluginError('NotAvailable', 'this kernel gives no access to nftables', (error as Error).message, error);
  }
}

export const firewall: CniPlugin = { add, del, check, gc, status };

/** Undefined where there is nothing to let through: no address, or no interface on the host that it would be reached by. */
function attachedOf(call: AttachmentCall, { interfaces, ips }: Result, config: FirewallConfig): Attached | undefined {
  const { ingressPolicy: policy } = config;
  const by = interfaces.find(({ sandbox }) => !sandbox)?.name;
  if (by === undefined && policy !== 'open') {
    throw new PluginError(
      'InvalidConfig',
      `ingressPolicy ${policy} needs a bridge: firewall comes after the plugin bridge`,
    );
  }
  const addresses = ips.map(({ address }) => address.replace(/\/.*$/, ''));
  if (by === undefined || addresses.length === 0) return undefined;
  if (!canStandInRule(by)) {
    throw new PluginError(
      'InvalidConfig',
      'prevResult: this name of an interface can stand in no rule',
      JSON.stringify(by),
    );
  }
  return { by, addresses, policy, label: labelOf(call.network, call) };
}

function requirePrevResult({ prevResult }: AttachmentCall): Result {
  if (prevResult !== undefined) return prevResult;
  const msg = 'prevResult is missing: firewall comes after the plugin that makes the interface';
  throw new PluginError('InvalidConfig', msg);
}

/** Where firewalld runs, a zone other than `trusted` would have rules of its own. */
function requireNoZone(socket: NetlinkSocket, { zone }: FirewallConfig): void {
  if (zone === undefined || getTable(socket, table('inet', 'firewalld')) === undefined) return;
  throw unsupported('firewalldZone', `what is attached is let through as in zone trusted, not as in ${zone}`);
}

/** The second attachment to a bridge need not fail on them first. */
function notThere(socket: NetlinkSocket, wanted: readonly Elements[]): Elements[] {
  return wanted.map(one =>
    elements(
      one.set,
      one.elements.filter(element => getElement(socket, one.set, element)?.comment !== element.comment),
    ),
  );
}

const telling = (call: PluginCall) => (changes: readonly Change[], run: () => void) =>
  call.trace(explainForward(changes), run);

async function allow(socket: NetlinkSocket, call: AttachmentCall, { by }: Attached): Promise<void> {
  const mark = forwardMark(call.network);
  update(socket, () => readForward(socket, mark).missing([by]), telling(call));
  await allowForward(mark, [by], { others: 'stay', ...call });
}

/** Frames from one isolated port to another go nowhere, whether or not rules see what a bridge passes on. */
function isolatePort({ trace }: AttachmentCall, { interfaces }: Result): void {
  const [, port] = interfaces.filter(({ sandbox }) => !sandbox);
  if (port === undefined) return;
  using socket = new NetlinkSocket('route');
  const { index } = requireLink(socket, port.name);
  trace(`bridge link set dev ${port.name} isolated on`, () => setLink(socket, index, { port: { isolated: true } }));
}

/** First the elements, then the rules of bridges to which nobody is attached any more, who may have come meanwhile. */
async function withdraw(call: PluginCall & Errand, isGone: (label: string) => boolean): Promise<void> {
  const mark = forwardMark(call.network);
  using socket = new NetlinkSocket('netfilter');
  const used = () => bridgesIn(readSection(socket, FIREWALL)?.sets ?? [], label => isOfNetwork(call.network, label));
  removeElements(socket, FIREWALL, goneWith(isGone), { trace: call.trace });
  update(socket, () => readForward(socket, mark).changes(used()), telling(call));
  let left = used();
  for (;;) {
    await allowForward(mark, left, call);
    const now = used();
    if (now.join() === left.join()) break;
    left = now;
  }
}

function changed(what: string): PluginError {
  return new PluginError('Internal', `firewall: ${what} is missing or was changed; ADD puts it back`);
}
