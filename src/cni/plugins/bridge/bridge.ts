/** The plugin `bridge`: a veth between a container and a bridge on the host. Configuration and results are the reference plugin's. */
import { hasCode } from '../../../host/errno.ts';
import { forwardingChanges } from '../../../host/forwarding.ts';
import { getLink, type Link, requireLink } from '../../../host/netlink/link.ts';
import { NetlinkSocket } from '../../../host/netlink/socket.ts';
import type { Interface, Result } from '../../result.ts';
import { atLeast } from '../../version.ts';
import { openInside } from '../inside.ts';
import { ipam } from '../ipam.ts';
import { masquerade } from '../masquerade.ts';
import type { AttachmentCall, CniPlugin, GcCall, PluginCall } from '../plugin.ts';
import { removeReferenceChain } from '../reference-rules.ts';
import { type Step, tearDown, undo } from '../tear-down.ts';
import { type Addressing, addressingOf, isIpv6 } from './addressing.ts';
import { check } from './check.ts';
import { type BridgeConfig, hasIpam, parseConfig } from './config.ts';
import { announce, configureInside, setUp } from './container.ts';
import { ensureAddress, ensureBridge, keepBridge, notABridge, undoBridge } from './device.ts';
import { checkFrames, collectChecks, uncheckFrames } from './mac-spoofing.ts';
import { set } from './parameter.ts';
import {
  createPort,
  findPort,
  isOfAnother,
  passingPort,
  portName,
  refuseTaken,
  removeVeth,
  removeVethInside,
  stalePorts,
} from './port.ts';
import { untilAnswering } from './readiness.ts';

interface Sockets {
  host: NetlinkSocket;
  inside: NetlinkSocket;
}

async function add(call: AttachmentCall): Promise<Result> {
  const config = parseConfig(call);
  using host = new NetlinkSocket('route');
  using inside = openInside(call);
  const taken = getLink(inside, call.ifName);
  if (taken !== undefined) refuseTaken(call, taken);
  const done: Step[] = [];
  try {
    return await attach({ host, inside }, call, config, done);
  } catch (error) {
    throw await undo(error, done);
  }
}

/**
 * What is done is put into `done` with what undoes it. From IPAM's answer on nothing waits until all is made. It is also IPAM that refuses
 * an attachment which is there: what an earlier ADD has left, whose namespace is another or gone, is removed only after that.
 */
async function attach(sockets: Sockets, call: AttachmentCall, config: BridgeConfig, done: Step[]): Promise<Result> {
  const { host, inside } = sockets;
  const undoCall = { ...call, command: 'DEL' as const, signal: undefined };
  const given = config.hasIpam ? await ipam.add(call) : undefined;
  if (given) done.push(() => ipam.del(undoCall));
  call.signal?.throwIfAborted();
  const addressing = given && addressingOf(config, given);

  await removePort(host, call);
  if (addressing && (config.isGateway || config.ipMasq)) forward(call, addressing);
  const bridge = ensureBridge(host, call, config);
  done.push(() => undoBridge(host, call, bridge));
  done.push(() => removePort(host, call));
  createPort(host, call, bridge.link, config);
  const container = requireLink(inside, call.ifName);
  const awaited: string[] = [];
  if (config.macSpoofCheck) {
    done.push(() => uncheckFrames(undoCall));
    checkFrames(call, { port: portName(call), mac: container.mac ?? '' });
  }
  if (addressing) {
    awaited.push(...addressing.gateways.filter(one => ensureAddress(host, call, bridge, one, config)));
    if (config.ipMasq) {
      done.push(() => masquerade.remove(undoCall));
      masquerade.add(call, { addresses: addressing.ips.map(({ address }) => address), bridge: config.bridge });
    }
    configureInside(inside, call, container, addressing, config);
  } else {
    setUp(inside, call, container);
  }

  const port = await passingPort(host, portName(call), call.signal);
  if (addressing?.ips.some(({ address }) => isIpv6(address))) {
    const places = [
      { socket: inside, link: container },
      { socket: host, link: bridge.link, only: awaited },
    ] as const;
    await untilAnswering(call, ...places);
  }
  const interfaces = interfacesOf(call, requireLink(host, bridge.link.index), port, container);
  if (addressing) announce(inside, call, container, addressing.ips);
  // A signal that came while nothing was waited for is heard of here, where a bridge that is new can still be taken back.
  if (bridge.group !== undefined) await new Promise(resolve => setImmediate(resolve));
  call.signal?.throwIfAborted();
  keepBridge(host, call, bridge);
  const dns = config.dns ?? given?.dns;
  return {
    cniVersion: call.cniVersion,
    interfaces,
    ips: addressing?.ips ?? [],
    routes: addressing?.routes ?? [],
    ...(dns && { dns }),
  };
}

function interfacesOf({ netns, cniVersion }: AttachmentCall, bridge: Link, port: Link, container: Link): Interface[] {
  const hasMtu = atLeast(cniVersion, '1.1.0');
  const shown = ({ name, mac, mtu }: Link) => ({ name, mac, ...(hasMtu && { mtu }) });
  return [shown(bridge), shown(port), { ...shown(container), sandbox: netns }];
}

/** Only what is off is turned on, and only for the families that the attachment has. */
function forward({ trace }: PluginCall, { ips }: Addressing): void {
  const families = new Set(ips.map(({ address }) => (isIpv6(address) ? 'v6' : 'v4')));
  for (const { name, value } of [...families].flatMap(forwardingChanges)) {
    try {
      set(trace, name, value);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error; // an uplink has gone meanwhile
    }
  }
}

async function removePort(host: NetlinkSocket, call: AttachmentCall): Promise<void> {
  const port = findPort(host, call);
  if (port !== undefined) await removeVeth(call, port);
}

/** First the interface, so that nobody else is given an address that is still in use. */
async function del(call: AttachmentCall): Promise<void> {
  const failure = await tearDown([
    async () => {
      using host = new NetlinkSocket('route');
      await removePort(host, call);
      await removeInside(host, call);
    },
    () => uncheckFrames(call),
    () => masquerade.remove(call),
    () => removeReferenceChain(call, 'bridge'),
    ...(hasIpam(call) ? [() => ipam.del(call)] : []),
  ]);
  if (failure) throw failure;
}

/** What another plugin has made for the attachment under another name on the host: that in the container is the attachment's. */
async function removeInside(host: NetlinkSocket, call: AttachmentCall): Promise<void> {
  if (call.netns === '') return;
  try {
    using inside = openInside(call);
    const link = getLink(inside, call.ifName);
    if (link?.kind === 'veth' && !isAnothers(host, call, link)) await removeVethInside(inside, call, link);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error; // the namespace has gone meanwhile
  }
}

/** Whether the other end says that it is another attachment's: its ADD came first, and ours was refused. */
function isAnothers(host: NetlinkSocket, call: AttachmentCall, { index, peer }: Link): boolean {
  const end = peer === undefined ? undefined : getLink(host, peer);
  return end?.kind === 'veth' && end.peer === index && isOfAnother(call, end);
}

async function gc(call: GcCall): Promise<void> {
  const failure = await tearDown([
    async () => {
      using host = new NetlinkSocket('route');
      const ends = await Promise.allSettled(stalePorts(host, call).map(port => removeVeth(call, port)));
      const one = await tearDown(
        ends.map(end => () => (end.status === 'rejected' ? Promise.reject(end.reason) : undefined)),
      );
      if (one) throw one;
    },
    () => collectChecks(call),
    () => masquerade.collect(call),
    ...(hasIpam(call) ? [() => ipam.gc(call)] : []),
  ]);
  if (failure) throw failure;
}

async function status(call: PluginCall): Promise<void> {
  const config = parseConfig(call);
  using host = new NetlinkSocket('route');
  const bridge = getLink(host, config.bridge);
  if (bridge !== undefined && bridge.kind !== 'bridge') throw notABridge('NotAvailable', bridge);
  if (config.hasIpam) await ipam.status(call);
}

export const bridge: CniPlugin = { add, del, check, gc, status };
