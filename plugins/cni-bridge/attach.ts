/** Attaching a network namespace to a space's network: CNI ADD, once everything that it needs is seen to be there. */
import {
  type ActionContext,
  type Attachment,
  type AttachRequest,
  KukeError,
  type NetworkRef,
  othersTurn,
} from 'kuke/plugin';
import { readCached, removeCached, sameAttachment } from '../../src/cni/cache.ts';
import { type NetworkConfig, parseNetworkConfig } from '../../src/cni/config.ts';
import { ConflistError, readConflist } from '../../src/cni/conflist.ts';
import { CniError } from '../../src/cni/errors.ts';
import { isObject } from '../../src/cni/json.ts';
import { hasCode } from '../../src/host/errno.ts';
import { isNetns } from '../../src/host/netns.ts';
import { attachmentId, type CapabilityArgs, hasDefaultRoute, isPresent, linkIn, toAttachment } from './attachment.ts';
import { ensureBridge, groupPorts, REGENERATE, readPorts, requireLegalName } from './bridge.ts';
import { detach, sweep } from './detach.ts';
import { networkFailure } from './failures.ts';
import { explainObstacle, isolateAll, readEnforcement } from './firewall.ts';
import { turnOnForwarding } from './forwarding.ts';
import { allNetworks, type Host } from './host.ts';
import { memberOf } from './isolation.ts';
import { isLegalBridge } from './names.ts';
import { conflistPath, type SpaceNetwork, understandConflist } from './space-network.ts';

/** Done twice under one id, it is one attachment; what an attempt that was killed has left is taken away before. */
export async function attach(host: Host, request: AttachRequest, context: ActionContext): Promise<Attachment> {
  const instance = await host.instance();
  const network = await requireNetwork(instance, request);
  requireLegalName(network);
  requireNamespace(request.netns);
  const id = attachmentId(request);
  const cached = readCached(host.results, id);
  const there = cached !== undefined && sameAttachment(cached, id) ? cached : undefined;
  if (there?.result !== undefined) {
    const made = toAttachment(request, there.result, there.capabilityArgs);
    const isPort = readPorts(instance);
    if (isPresent(there.netns ?? '', made, inside => isPort(there.config, inside))) return made;
  }
  if (there !== undefined || linkIn(request.netns, request.interface) !== undefined) {
    await detach(host, request, context);
  }
  await othersTurn();
  await requireIsolation(host, instance, network, context);
  await othersTurn();
  ensureBridge(instance, network);
  await turnOnForwarding(host.state, network.gateways);
  return await add(host, network, request, context);
}

async function add(
  host: Host,
  network: SpaceNetwork,
  request: AttachRequest,
  { signal }: ActionContext,
): Promise<Attachment> {
  const { netns, interface: ifName, attachmentId: containerId } = request;
  const config = hasDefaultRoute(netns) ? withoutDefaultRoute(network.config) : network.config;
  const capabilityArgs = capabilitiesOf(network, request);
  const run = () => host.cni.add(config, { containerId, netns, ifName, capabilityArgs }, signal);
  try {
    // A reservation that outlived its namespace, under this very id, has been freed by the undoing of the ADD.
    const result = await run().catch(error => (isDuplicate(error) ? run() : Promise.reject(error)));
    const outside = result.interfaces.filter(({ sandbox }) => !sandbox).map(({ name }) => name);
    groupPorts(network.bridge, outside);
    return toAttachment(request, result, capabilityArgs);
  } catch (error) {
    const left = await takeBack(host, request).catch((thrown: unknown) => networkFailure(thrown, 'undo it'));
    throw left === undefined ? error : networkFailure(error, `attach to network ${request.name}`).with([left]);
  }
}

/** What the plugins of the network are told beside their configuration. Throws NetworkFailed where none of them would listen. */
function capabilitiesOf({ path, config }: SpaceNetwork, { ports = [], addresses }: AttachRequest): CapabilityArgs {
  const offers = (capability: string) => config.plugins.some(({ capabilities }) => capabilities.includes(capability));
  if (ports.length > 0 && !offers('portMappings')) {
    throw new KukeError('NetworkFailed', `${path} has no plugin that publishes ports (capability portMappings)`, {
      remedy: REGENERATE,
    });
  }
  return { ...(ports.length > 0 && { portMappings: ports }), ...(addresses && offers('ips') && { ips: addresses }) };
}

const DEFAULT_ROUTES: unknown[] = ['0.0.0.0/0', '::/0'];

/** The reference plugin would put that of a second space before the first one's. */
function withoutDefaultRoute({ json, plugins }: NetworkConfig): NetworkConfig {
  const others = (route: unknown) => !(isObject(route) && DEFAULT_ROUTES.includes(route.dst));
  const without = plugins.map(({ json: plugin }) => {
    const { ipam } = plugin;
    const { routes } = isObject(ipam) ? ipam : {};
    if (!isObject(ipam) || !Array.isArray(routes)) return plugin;
    return { ...plugin, ipam: { ...ipam, routes: routes.filter(others) } };
  });
  return parseNetworkConfig({ ...json, plugins: without });
}

function isDuplicate(error: unknown): boolean {
  return error instanceof CniError && /duplicate allocation/i.test(error.failure.msg);
}

/** What the plugins have made, also if they do not take it back themselves. */
async function takeBack(host: Host, request: AttachRequest): Promise<undefined> {
  const cached = readCached(host.results, attachmentId(request));
  await sweep(host, request, cached);
  if (cached !== undefined) removeCached(host.results, attachmentId(request));
}

/** No process starts without the rules that keep its space apart: whoever has flushed them has let down all spaces. */
async function requireIsolation(
  host: Host,
  instance: string,
  network: SpaceNetwork,
  { signal }: ActionContext,
): Promise<void> {
  const { covers, obstacles } = await readEnforcement(instance);
  for (const obstacle of obstacles(network.bridge)) host.warn(explainObstacle(obstacle));
  if (covers(memberOf(network))) return;
  const { spaces } = await allNetworks(host, network.configPath);
  const ours = spaces.filter(one => one.instance === instance && isLegalBridge(one.bridge));
  await isolateAll(instance, ours.map(memberOf), signal);
}

async function requireNetwork(instance: string, { name, configPath }: NetworkRef): Promise<SpaceNetwork> {
  const path = conflistPath({ name, configPath });
  try {
    const network = understandConflist(configPath, { path, network: await readConflist(path) });
    if ('instance' in network && network.instance === instance) return network;
  } catch (error) {
    if (!(error instanceof ConflistError) || !hasCode(error.cause, 'ENOENT')) throw error;
    throw new KukeError('NotFound', `there is no network ${name}: ${path} does not exist`, {
      remedy: 'apply its space again, which writes the file anew',
    });
  }
  throw new KukeError('Conflict', `${path} does not carry this installation's mark for a space`, {
    remedy: 'move that file away and apply the space again',
  });
}

function requireNamespace(netns: string): void {
  if (isNetns(netns)) return;
  throw new KukeError('NetworkFailed', `${netns} is no network namespace, or is gone`, {
    remedy: 'start the cell again: it gets a new one',
  });
}
