/** A runtime, as short as the specification allows (section 3): runs the plugins of a network one after another for an attachment. */
import type { Host } from './host.ts';
import { type Answer, execute, type Json, type Running, start } from './plugin.ts';

export interface Plugin extends Json {
  type: string;
}

export interface Network {
  cniVersion: string;
  name: string;
  plugins: Plugin[];
}

export interface Attachment {
  host: Host;
  network: Network;
  containerId: string;
  /** Path. */
  netns: string;
  ifName: string;
  /** CNI_ARGS. */
  args?: string | undefined;
  /** By capability; a plugin is given those that it declares. */
  runtimeConfig?: Json | undefined;
  /** Where its plugins are, if not among those under test. */
  folder?: string;
}

/** What a plugin of the network is given on stdin. */
export function configOf(
  { cniVersion, name }: Network,
  plugin: Plugin,
  runtimeConfig: Json = {},
  more: Json = {},
): Json {
  const { capabilities, ...rest } = plugin;
  const declared = Object.entries({ ...(capabilities as object) }).flatMap(([key, on]) => (on === true ? [key] : []));
  const granted = Object.fromEntries(Object.entries(runtimeConfig).filter(([key]) => declared.includes(key)));
  return { cniVersion, name, ...rest, ...(Object.keys(granted).length > 0 && { runtimeConfig: granted }), ...more };
}

function environment(
  command: string,
  { containerId, netns, ifName, args, folder }: Attachment,
): Record<string, string | undefined> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifName,
    ...(args !== undefined && { CNI_ARGS: args }),
    ...(folder !== undefined && { CNI_PATH: folder }),
  };
}

/** Starts one verb of one plugin of an attachment's network. */
export function begin(attachment: Attachment, command: string, plugin: Plugin, prevResult?: Json): Running {
  const { host, network, runtimeConfig, folder } = attachment;
  const stdin = configOf(network, plugin, runtimeConfig, prevResult && { prevResult });
  return start({ type: plugin.type, env: environment(command, attachment), stdin, host: host.name, folder });
}

/** ADD; ends with the first failure. The last answer. */
export async function add(attachment: Attachment, prevResult?: Json): Promise<Answer> {
  return await inOrder(attachment.network.plugins, async (plugin, last) => {
    return await begin(attachment, 'ADD', plugin, last?.json ?? prevResult).answer;
  });
}

/** CHECK with the result of ADD. */
export async function check(attachment: Attachment, prevResult: Json | undefined): Promise<Answer> {
  return await inOrder(attachment.network.plugins, plugin => begin(attachment, 'CHECK', plugin, prevResult).answer);
}

/** DEL, in reverse order. Goes on after a failure, whose answer it gives. */
export async function del(attachment: Attachment, prevResult?: Json): Promise<Answer> {
  let failed: Answer | undefined;
  let last: Answer | undefined;
  for (const plugin of attachment.network.plugins.toReversed()) {
    last = await begin(attachment, 'DEL', plugin, prevResult).answer;
    if (last.status !== 0) failed ??= last;
  }
  return failed ?? orThrow(last);
}

/** GC: these are the attachments that are valid. */
export async function gc(
  host: Host,
  network: Network,
  valid: Pick<Attachment, 'containerId' | 'ifName'>[],
): Promise<Answer> {
  const attachments = valid.map(({ containerId, ifName }) => ({ containerID: containerId, ifname: ifName }));
  return await inOrder(network.plugins, plugin =>
    execute({
      type: plugin.type,
      env: { CNI_COMMAND: 'GC' },
      stdin: configOf(network, plugin, {}, { 'cni.dev/valid-attachments': attachments }),
      host: host.name,
    }),
  );
}

export async function status(host: Host, network: Network): Promise<Answer> {
  return await inOrder(network.plugins, plugin =>
    execute({ type: plugin.type, env: { CNI_COMMAND: 'STATUS' }, stdin: configOf(network, plugin), host: host.name }),
  );
}

async function inOrder(plugins: Plugin[], run: (plugin: Plugin, last?: Answer) => Promise<Answer>): Promise<Answer> {
  let last: Answer | undefined;
  for (const plugin of plugins) {
    last = await run(plugin, last);
    if (last.status !== 0) return last;
  }
  return orThrow(last);
}

function orThrow(answer: Answer | undefined): Answer {
  if (answer === undefined) throw new Error('a network without plugins');
  return answer;
}
