/**
 * The plugin `portmap`: ports of the host lead to an attachment, from outside, from the host itself and from the attachment's own network.
 * One that another attachment holds is refused; the reference plugin lets the last one win.
 */
import { NetlinkSocket } from '../../../host/netlink/socket.ts';
import type { Change } from '../../../host/nftables/change.ts';
import { nameOf } from '../../../host/nftables/explain.ts';
import { readGeneration } from '../../../host/nftables/list.ts';
import type { Element, Elements, NamedSet } from '../../../host/nftables/object.ts';
import type { Result } from '../../result.ts';
import { addElements, lacking, readSection, removeElements } from '../../ruleset.ts';
import { isStale, labelOf } from '../label.ts';
import type { AttachmentCall, CniPlugin, GcCall, PluginCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { removeReferenceChain } from '../reference-rules.ts';
import { tearDown } from '../tear-down.ts';
import { readConfig } from './config.ts';
import { adjust, bridgesIn, isOn, turnOn } from './localnet.ts';
import { checkOverlap, elementsOf, hostInterface, isOf, type Published, publishedOf, taken } from './published.ts';
import { type PortSection, SECTIONS, V4 } from './sections.ts';
import { dropEarlier, dropTranslated } from './stale-flows.ts';
import { heirsIn, inherited, isWaiting, waitingElement } from './waiting.ts';

/** What is to be published, by section. Throws PluginError for a configuration that asks for what cannot be. */
function wantedBy(call: AttachmentCall): { prevResult: Result; wanted: [PortSection, Published][] } {
  const config = readConfig(call);
  const { prevResult } = call;
  if (prevResult === undefined) {
    throw new PluginError(
      'InvalidConfig',
      'prevResult is missing: portmap comes after the plugin that makes the interface',
    );
  }
  const wanted = SECTIONS.flatMap((section): [PortSection, Published][] => {
    const published = publishedOf(call, config, section);
    return published ? [[section, published]] : [];
  });
  if (config.mappings.length > 0 && wanted.length === 0) {
    throw new PluginError('InvalidConfig', `prevResult: ${call.ifName} has no address that ports could lead to`);
  }
  return { prevResult, wanted };
}

async function add(call: AttachmentCall): Promise<Result> {
  const { prevResult, wanted } = wantedBy(call);
  if (wanted.length === 0) return prevResult;
  using socket = new NetlinkSocket('netfilter');
  const made: [PortSection, Change[]][] = [];
  try {
    for (const [section, published] of wanted) made.push([section, publish(socket, call, section, published)]);
  } catch (error) {
    unpublish(call, ownLabel(call));
    throw error;
  }
  for (const [section, changes] of made) dropEarlier(socket, section, changes, call.trace);
  return prevResult;
}

function publish(
  socket: NetlinkSocket,
  { trace }: AttachmentCall,
  section: PortSection,
  published: Published,
): Change[] {
  const { localnet, somewhere } = section;
  const bridge = localnet && published.snat ? published.bridge : undefined;
  if (published.bridge !== undefined) isOn(published.bridge);
  const wanted = () => {
    checkOverlap(socket, section, published);
    return elementsOf(section, published);
  };
  const isTaken = (present: Element, element: Element, set: NamedSet): 'replace' | Elements => {
    const isPort = set.set === section.anywhere.set || set.set === section.on.set;
    // Everything else is about the attachment's own address, which may have been another's.
    if (!isPort || present.comment === published.label) return 'replace';
    if (isOf(published.containerId, present)) return waitingElement(section, element);
    throw taken(present, element.key);
  };
  const changes = addElements(socket, section.section, wanted, {
    trace,
    shared: localnet ? [somewhere, localnet] : [somewhere],
    taken: isTaken,
  });
  if (bridge !== undefined) turnOn(bridge, trace);
  return changes;
}

const ownLabel = (call: AttachmentCall) => {
  const label = labelOf(call.network, call);
  return (comment: string) => comment === label;
};

/** Takes back in both families, and throws at the end what went wrong first. */
function unpublish({ trace }: PluginCall, isGone: (label: string) => boolean): void {
  using socket = new NetlinkSocket('netfilter');
  const failures: unknown[] = [];
  for (const section of SECTIONS) {
    const heirs = (sets: readonly Elements[]) => inherited(section, heirsIn(section, sets, isGone));
    let gone: readonly Elements[] = [];
    const before = (going: readonly Elements[], staying: readonly Elements[]) => {
      gone = going;
      adjust(bridgesIn(section, staying), bridgesIn(section, going), trace);
    };
    try {
      removeElements(socket, section.section, goneFrom(section, isGone), { trace, before, heirs });
      dropTranslated(socket, section, gone, trace);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** After somebody's `nft flush ruleset` there is no element by which to tell that the bridge was one of these. */
function forgetBridge({ prevResult, runtimeConfig, trace }: AttachmentCall): void {
  const bridge = prevResult && hostInterface(prevResult);
  if (bridge === undefined || !runtimeConfig.portMappings) return;
  using socket = new NetlinkSocket('netfilter');
  const isWanted = () => bridgesIn(V4, readSection(socket, V4.section)?.sets ?? []).includes(bridge);
  if (isWanted()) return;
  adjust([], [bridge], trace);
  if (isWanted()) adjust([bridge], [], trace);
}

/** What carries a label goes by it; a bridge, or the note that a port is published somewhere, goes with the last that it is there for. */
function goneFrom(section: PortSection, isGone: (label: string) => boolean) {
  let heirs: { in: readonly Elements[]; are: ReadonlySet<Element> } | undefined;
  return (one: Element, { set }: NamedSet, all: readonly Elements[]): boolean => {
    const { key, comment = '' } = one;
    if (heirs?.in !== all) heirs = { in: all, are: heirsIn(section, all, isGone) };
    const isNeeded = (by: NamedSet, isFor: (element: Element) => boolean) =>
      all
        .find(one => one.set.set === by.set)
        ?.elements.some(element => !isGone(element.comment ?? '') && isFor(element));
    if (set === section.localnet?.set) return !isNeeded(section.neighbours, ({ key: [bridge] }) => bridge === key[0]);
    if (set === section.somewhere.set) {
      const isIts = ({ key: [, ...port] }: Element) => port.slice(0, 2).join() === key.join();
      return !isNeeded(section.on, isIts) && !isNeeded(section.waiting, isIts);
    }
    return isGone(comment) || heirs.are.has(one);
  };
}

async function del(call: AttachmentCall): Promise<void> {
  const failure = await tearDown([
    () => unpublish(call, ownLabel(call)),
    () => forgetBridge(call),
    () => removeReferenceChain(call, 'portmap'),
  ]);
  if (failure) throw failure;
}

async function gc(call: GcCall): Promise<void> {
  unpublish(call, isStale(call.network, call.valid));
}

async function check(call: AttachmentCall): Promise<void> {
  const { wanted } = wantedBy(call);
  using socket = new NetlinkSocket('netfilter');
  for (const [section, published] of wanted) {
    const isKept = (present: Element, element: Element) =>
      isOf(published.containerId, present) && isWaiting(socket, section, element);
    const [first] = lacking(socket, section.section, elementsOf(section, published), isKept);
    if (first) throw missing(nameOf(first));
    const { bridge, snat } = published;
    if (section.localnet && bridge && snat && !isOn(bridge)) throw missing(`net.ipv4.conf.${bridge}.route_localnet`);
  }
}

function missing(what: string): PluginError {
  return new PluginError('Internal', `published ports: ${what} is missing or was changed; ADD puts it back`);
}

async function status(call: PluginCall): Promise<void> {
  readConfig(call);
  try {
    using socket = new NetlinkSocket('netfilter');
    readGeneration(socket);
  } catch (error) {
    throw new PluginError('NotAvailable', 'this kernel gives no access to nftables', (error as Error).message, error);
  }
}

export const portmap: CniPlugin = { add, del, check, gc, status };
