/** One attachment of a container to a network, and the specification's rules for the names in it. */
import { INTERFACE_NAME, isInterfaceName } from '../host/interface-name.ts';
import { CniError } from './errors.ts';
import type { JsonObject } from './json.ts';
import type { Command } from './version.ts';

/** What identifies an attachment on this host: the network, the container and the interface in it. */
export interface AttachmentId {
  network: string;
  containerId: string;
  ifName: string;
}

/** What ADD is told about an attachment (specification, "Attachment Parameters"). */
export interface Attachment {
  containerId: string;
  /** Path of the network namespace. */
  netns: string;
  /** Name of the interface to be made in it. */
  ifName: string;
  /** CNI_ARGS, as pairs. */
  args?: readonly (readonly [key: string, value: string])[];
  /** Capability arguments (portMappings, ips, mac, dns, aliases, ...): each plugin gets those that it declares. */
  capabilityArgs?: JsonObject;
}

/** Network names and container ids (specification, sections 1 and 2). */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** A plugin's type is the name of a file in one of the plugin folders: no path, and nothing hidden. */
export const PLUGIN_TYPE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/;

/** Throws CniError `bad-request` where the id breaks the specification. */
export function checkAttachmentId(command: Command, { network, containerId, ifName }: AttachmentId): void {
  const refuse = (msg: string) => {
    throw new CniError({ reason: 'bad-request', command, network, msg });
  };
  if (!NAME.test(network))
    refuse(`${JSON.stringify(network)} is no network name: letters, digits, "_", "." and "-" only`);
  if (!NAME.test(containerId)) {
    refuse(`${JSON.stringify(containerId)} is no container id: letters, digits, "_", "." and "-" only`);
  }
  if (!isInterfaceName(ifName)) {
    refuse(`${JSON.stringify(ifName)} is no interface name: ${INTERFACE_NAME}`);
  }
}

/** The value of CNI_ARGS: `K=V;K2=V2`; undefined for none. Throws CniError `bad-request` for what would read back as something else. */
export function formatArgs(command: Command, args: readonly (readonly [string, string])[] = []): string | undefined {
  for (const [key, value] of args) {
    if (key === '' || /[;=\0]/.test(key) || /[;\0]/.test(value)) {
      throw new CniError({
        reason: 'bad-request',
        command,
        msg: `${JSON.stringify([key, value])} can't be put into CNI_ARGS`,
      });
    }
  }
  return args.map(([key, value]) => `${key}=${value}`).join(';') || undefined;
}
