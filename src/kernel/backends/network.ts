/** Networks, network namespaces and attachments (spec.md §4). */
import type { Backend } from './backend.ts';
import type { Watchable } from './watch.ts';

export interface NetworkDefinition {
  realm: string;
  space: string;
  /** Network name: the conflist's file name without its ending. */
  name: string;
  /** Folder of the conflist, `/etc/cni/net.d`. */
  configPath: string;
  bridge: string;
  /** `10.88.0.0/16`. */
  subnet: string;
  gateway: string;
  /** The IPv6 range and its gateway, where the space has one: `fd12:3456:789a:1::/64`. */
  subnet6?: string;
  gateway6?: string;
}

/** A definition without all that stands around it. */
export function networkDefinition(of: NetworkDefinition): NetworkDefinition {
  const { realm, space, name, configPath, bridge, subnet, gateway, subnet6, gateway6 } = of;
  const ipv6 = { ...(subnet6 && { subnet6 }), ...(gateway6 && { gateway6 }) };
  return { realm, space, name, configPath, bridge, subnet, gateway, ...ipv6 };
}

export interface NetworkRef {
  name: string;
  configPath: string;
}

export interface NetworkChoice extends NetworkDefinition {
  /** What a person should know, e.g. that `main/default` could not have 10.88.0.0/16 and why. */
  notes: string[];
}

export interface NamespaceRequest {
  /** `/run/netns/kuke-<hash>`. */
  path: string;
}

export interface DetachRequest {
  /** Network name. */
  name: string;
  /** CNI_CONTAINERID: `<hash of the cell>-<random>`, new for every attachment. */
  attachmentId: string;
  netns: string;
  /** `eth0`. */
  interface: string;
}

export interface AttachRequest extends DetachRequest, NetworkRef {
  /** Ports of the host that lead to the namespace. */
  ports?: PortMapping[];
  /** The addresses to be given, `10.88.0.2/16`; others when absent. */
  addresses?: string[];
}

/** A published port, in the words of CNI's capability `portMappings`. */
export interface PortMapping {
  hostPort: number;
  containerPort: number;
  protocol: 'tcp' | 'udp';
  /** The address of the host that it is published on; all when absent. */
  hostIP?: string;
}

export interface Attachment {
  network: string;
  interface: string;
  /** With prefix length: `10.88.0.2/16`. */
  addresses: string[];
  gateway?: string;
  attachmentId: string;
  /** Absent where none is published. */
  ports?: PortMapping[];
}

export interface NetworkActions {
  /**
   * Writes the conflist (with our marker) and the rules that isolate it. The bridge comes with the first cell. Identical and ours: left
   * alone. A conflist that is of no use stays, and is a Conflict; what is on the bridge is isolated all the same.
   */
  define: { params: NetworkDefinition; result: void };
  /** Conflist, rules, bridge, reservations, IPAM folder; what is not ours stays. Absent: nothing to do. */
  remove: { params: NetworkRef; result: void };
  /** A new netns at the path, loopback up, forwarding off. */
  open: { params: NamespaceRequest; result: void };
  close: { params: NamespaceRequest; result: void };
  /** CNI ADD. */
  attach: { params: AttachRequest; result: Attachment };
  /** CNI DEL with the configuration cached at ADD; works without netns and on what was never attached. */
  detach: { params: DetachRequest; result: void };
}

export interface NetworkObservation {
  networks: (NetworkDefinition & {
    ours: boolean;
    bridgeExists: boolean;
    /** The rules that isolate it are in the kernel, and those of the ports that its attachments publish. */
    enforced: boolean;
    /** Why its conflist is of no use. All the rest is then what is `recorded` of it. */
    damaged?: string;
    /** Rules of it are left in chains of others that do not drop any more: `define` takes them out. */
    surplus?: boolean;
  })[];
  /** As recorded in the CNI cache; `present` when the interface is there in its netns with that address, and its other end on the network's bridge. */
  attachments: (Attachment & { netns: string; present: boolean })[];
  /** Paths of network namespaces of ours under /run/netns. */
  namespaces: string[];
  /** Files that could not be read, with the reason. */
  problems: { path: string; message: string }[];
}

/** One look at a port; with `http`, a GET there. */
export interface NetworkProbe {
  /** Path of the namespace; absent: the host's. */
  netns?: string;
  /** An address, as it is inside. */
  host: string;
  port: number;
  http?: { path: string; headers: Record<string, string> };
}

/** `watch` tells of links and rules of the host. */
export interface NetworkBackend extends Backend<NetworkActions>, Watchable {
  /** Whether something is listening there, and answers a GET with a status from 200 to 399. Rejects with the signal's reason alone. */
  probe(request: NetworkProbe, signal: AbortSignal): Promise<{ ok: boolean; message: string }>;
  /**
   * Picks name, bridge and range for a new network, or reads them back if it exists. Changes nothing; call it under the lock.
   * `recorded` is space.yaml's copy of an earlier choice: a lost conflist is rewritten identically from it.
   */
  choose(request: {
    realm: string;
    space: string;
    configPath?: string;
    /** An IPv4 range, an IPv6 one, or both; the next free IPv4 range where that is absent. */
    subnets?: string[];
    /** Takes an IPv6 range of unique local addresses (RFC 4193) where `subnets` has none. */
    ipv6?: boolean;
    recorded?: NetworkDefinition;
    /** Networks that are about to be: their names, bridges and ranges are taken. */
    besides?: NetworkDefinition[];
  }): Promise<NetworkChoice>;
  /** Networks in these folders; attachments and namespaces wherever they belong. */
  observe(request: {
    configPaths: string[];
    /** space.yaml's copies: by them a network is known whose conflist cannot be read. */
    recorded?: NetworkDefinition[];
    /** Only the attachments whose id begins so are asked for, false: none of them; more may be given. Absent: all. */
    attachments?: string | false;
  }): Promise<NetworkObservation>;
}
