/** A published port as a manifest names it: `[IP:]HOST:CONTAINER[/tcp|udp]` (spec.md §3). */
import type { PortMapping } from './backends/network.ts';

const PATTERN =
  /^(?:(\[[0-9A-Fa-f:.]+\]|\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):(\d{1,5})(?:\/([Tt][Cc][Pp]|[Uu][Dd][Pp]))?$/;

/** For `pattern` in the metadata of a field. */
export const PORT_PATTERN = PATTERN.source;

/** Undefined for what is none. */
export function portMapping(text: string): PortMapping | undefined {
  const [, address, host, container, protocol = 'tcp'] = PATTERN.exec(text) ?? [];
  const [hostPort, containerPort] = [Number(host), Number(container)];
  const isPort = (port: number) => port >= 1 && port <= 65535;
  if (!isPort(hostPort) || !isPort(containerPort)) return undefined;
  // Octal forms, which the URL of one would take, are none.
  if (address !== undefined && (/(^|\.)0\d/.test(address) || !URL.canParse(`http://${address}`))) return undefined;
  const hostIP = address && new URL(`http://${address}`).hostname.replace(/^\[|\]$/g, '');
  return {
    hostPort,
    containerPort,
    protocol: protocol.toLowerCase() === 'udp' ? 'udp' : 'tcp',
    ...(hostIP !== undefined && { hostIP }),
  };
}

/** The shortest text of it: `8080:80`, `[::1]:8080:80/udp`. */
export function formatPortMapping({ hostIP, hostPort, containerPort, protocol }: PortMapping): string {
  const address = hostIP === undefined ? '' : `${hostIP.includes(':') ? `[${hostIP}]` : hostIP}:`;
  return `${address}${hostPort}:${containerPort}${protocol === 'tcp' ? '' : `/${protocol}`}`;
}

/** Whether two cannot be published at once: the same port of the same address, or of all. */
export function collides(a: PortMapping, b: PortMapping): boolean {
  const isSame = a.hostPort === b.hostPort && a.protocol === b.protocol;
  return isSame && (a.hostIP === undefined || b.hostIP === undefined || a.hostIP === b.hostIP);
}
