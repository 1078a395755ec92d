/** Labels on what kuke makes in containerd: namespaces, images, leases, snapshots and containers. */

/** Whose it is: the installation's id. Kuke changes and deletes only what carries its own (spec.md §1). */
export const INSTANCE = 'kukeon.io/instance';
/** On a container: a digest of the configuration that it was made from. */
export const CONFIGURATION = 'kukeon.io/configuration';
/** On a container: containers with the same one, in the same namespace, share a shim. */
export const GROUP = 'kukeon.io/group';
/** On a container: the file that takes what it writes. */
export const LOG_PATH = 'kukeon.io/log-path';
/** On a container: its standard input is kept, `open` for whoever attaches or up to the end of what the first one feeds it (`once`). */
export const STDIN = 'kukeon.io/stdin';
/** On a container: when it was last started, RFC 3339. Absent: never. */
export const STARTED_AT = 'kukeon.io/started-at';

/** containerd's own name for an image's STOPSIGNAL on a container; other clients honour it too. */
export const STOP_SIGNAL = 'io.containerd.image.config.stop-signal';
/** What carries it, the garbage collector leaves alone; the value is of no account. */
export const GC_ROOT = 'containerd.io/gc.root';

export function isOurs({ labels }: { labels: Readonly<Record<string, string>> }, instance: string): boolean {
  return labels[INSTANCE] === instance;
}

/** Of a container: `ctr run` gives one of its own the labels of its image, and so ours. */
export function isOurContainer(container: { labels: Readonly<Record<string, string>> }, instance: string): boolean {
  return isOurs(container, instance) && container.labels[CONFIGURATION] !== undefined;
}

/** A filter for containerd's List calls (containerd's package filters): of what has these labels too. */
export function oursFilter(instance: string, labels: Readonly<Record<string, string>> = {}): string {
  const wanted = Object.entries({ [INSTANCE]: instance, ...labels });
  return wanted.map(([name, value]) => `labels."${name}"==${JSON.stringify(value)}`).join();
}
