/** Names of network interfaces: what the kernel takes for one, and what can stand in a rule of a firewall besides. */

/** IFNAMSIZ without the NUL. */
const MOST_BYTES = 15;

/** What `isInterfaceName` asks for. */
export const INTERFACE_NAME = `at most ${MOST_BYTES} bytes without "/", ":", "%" and white space, and not "all" or "default"`;

export function isInterfaceName(name: string): boolean {
  return faultOf(name) === undefined;
}

/** Throws a RangeError for a name that the kernel would refuse, which it says as ERANGE or EINVAL, or take for something else. */
export function checkInterfaceName(name: string): void {
  const fault = faultOf(name);
  if (fault !== undefined) throw new RangeError(fault);
}

/** Fits into rules of nftables and iptables without quotes, and is no wildcard there. */
export function canStandInRule(name: string): boolean {
  return isInterfaceName(name) && /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name);
}

/**
 * dev_valid_name, which counts bytes; `%`, for which the kernel would put a number (dev_alloc_name); and what stands for all interfaces in
 * /proc/sys (sysctl_dev_name_is_allowed).
 */
function faultOf(name: string): string | undefined {
  const shown = JSON.stringify(name);
  const length = Buffer.byteLength(name);
  if (length > MOST_BYTES) return `interface name ${shown} has ${length} characters; ${MOST_BYTES} is the most`;
  if (['', '.', '..'].includes(name) || /[/:%\s\0]/.test(name)) return `not an interface name: ${shown}`;
  if (['all', 'default'].includes(name))
    return `not an interface name: ${shown} stands for every interface in /proc/sys`;
  return undefined;
}
