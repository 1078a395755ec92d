/** Attaching and detaching as a person would do it: each plugin of the network in turn, with the result of the one before. */
import { type AttachRequest, type DetachRequest, shellQuote } from 'kuke/plugin';
import { GROUP } from './frames.ts';
import type { Host } from './host.ts';
import { conflistPath } from './space-network.ts';

type Caller = Pick<Host, 'cniPath' | 'results' | 'isExecuted'>;

export function explainAttach(host: Caller, request: AttachRequest): string {
  const { ports = [], addresses } = request;
  const offered = { ...(ports.length > 0 && { portMappings: ports }), ...(addresses && { ips: addresses }) };
  const file = shellQuote(conflistPath(request));
  const config = `. as {$cniVersion, $name} | .plugins[$index]
      | . + {$cniVersion, $name, runtimeConfig: ($offered | with_entries(select(.key | IN($capable[]))))}
      | if $result then . + {prevResult: $result} else . end`;
  return `sysctl -qw net.ipv4.ip_forward=1
result=null
for index in $(jq '.plugins | keys[]' ${file}); do
  type=$(jq -r ".plugins[$index].type" ${file})
  capable=$(jq -c ".plugins[$index].capabilities // {} | keys" ${file})
  result=$(jq --argjson index $index --argjson capable "$capable" --argjson result "$result" \\
    --argjson offered ${shellQuote(JSON.stringify(offered))} '${config}' ${file} |
    ${call('ADD', host, request)})
done
bridge=$(jq -r '.plugins[].bridge // empty' ${file})
for port in $(printf %s "$result" | jq -r '.interfaces[] | select((.sandbox // "") == "").name'); do
  ip link set "$port" group ${GROUP}
done`;
}

/** By what the cache holds of the ADD; the last plugin first. */
export function explainDetach(host: Caller, request: DetachRequest): string {
  const cached = shellQuote(`${host.results}/${request.name}-${request.attachmentId}-${request.interface}`);
  return `network=$(jq -r .config ${cached} | base64 -d)
result=$(jq -c .result ${cached})
for index in $(printf %s "$network" | jq '.plugins | keys | reverse[]'); do
  type=$(printf %s "$network" | jq -r ".plugins[$index].type")
  printf %s "$network" | jq --argjson index $index --argjson result "$result" \\
    '. as {$cniVersion, $name} | .plugins[$index] + {$cniVersion, $name, prevResult: $result}' |
    ${call('DEL', host, request)}
done
rm ${cached}`;
}

/** The plugin `$type`: kuke itself for those that are built in. */
function call(command: 'ADD' | 'DEL', { cniPath, isExecuted }: Caller, request: DetachRequest): string {
  const { attachmentId, netns, interface: ifName } = request;
  const environment = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: attachmentId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifName,
    CNI_PATH: cniPath.join(':'),
  };
  const words = Object.entries(environment).map(([name, value]) => `${name}=${shellQuote(value)}`);
  const program = isExecuted('bridge') ? `${shellQuote(`${cniPath.at(-1)}`)}/"$type"` : 'kuke';
  return [...words, program].join(' ');
}
