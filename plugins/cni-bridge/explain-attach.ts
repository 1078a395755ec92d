/**
 * Attaching and detaching as a person would do it: each plugin of the network in turn, with the result of the one before, which libcni's
 * cache keeps for the DEL. `$addresses` are those that were given.
 */
import { type AttachRequest, type DetachRequest, shellQuote } from 'kuke/plugin';
import { NATIVE } from '../../src/cni/plugins/native.ts';
import { settingsOf } from './bridge.ts';
import { GROUP } from './frames.ts';
import type { Host } from './host.ts';
import { conflistPath } from './space-network.ts';

type Caller = Pick<Host, 'cniPath' | 'results' | 'instanceFile' | 'isExecuted'>;

export function explainAttach(host: Caller, request: AttachRequest): string {
  const { ports = [], addresses } = request;
  const offered = { ...(ports.length > 0 && { portMappings: ports }), ...(addresses && { ips: addresses }) };
  const cached = {
    kind: 'cniCacheV1',
    containerId: request.attachmentId,
    ifName: request.interface,
    networkName: request.name,
    netns: request.netns,
    ...(Object.keys(offered).length > 0 && { capabilityArgs: offered }),
  };
  const cache = shellQuote(cacheOf(host, request));
  // Whose plugins a DEL is to call.
  const invokers = host.isExecuted('bridge')
    ? ''
    : ` + {invokers: ($config | @base64d | fromjson | .plugins | map("${NATIVE}"))}`;
  const file = shellQuote(conflistPath(request));
  const config = `. as {$cniVersion, $name} | .plugins[$index]
      | . + {$cniVersion, $name, runtimeConfig: ($offered | with_entries(select(.key | IN($capable[]))))}
      | if $result then . + {prevResult: $result} else . end`;
  const settings = settingsOf('$bridge').map(([name, value]) => `"${name}=${value}"`);
  return `bridge=$(jq -r '.plugins[].bridge // empty' ${file})
mark="kukeon $(cat ${shellQuote(host.instanceFile)}) "${shellQuote(request.name)}
mac=02$(printf %s "$mark" | sha256sum | cut -c1-10 | sed 's/../:&/g')
ip link show "$bridge" > /dev/null 2>&1 || ip link add "$bridge" address "$mac" type bridge
ip link set "$bridge" alias "$mark" group ${GROUP}
sysctl -qw net.ipv4.ip_forward=1 ${settings.join(' ')}
result=null
for index in $(jq '.plugins | keys[]' ${file}); do
  type=$(jq -r ".plugins[$index].type" ${file})
  capable=$(jq -c ".plugins[$index].capabilities // {} | keys" ${file})
  result=$(jq --argjson index $index --argjson capable "$capable" --argjson result "$result" \\
    --argjson offered ${shellQuote(JSON.stringify(offered))} '${config}' ${file} |
    ${call('ADD', host, request)})
done
for port in $(printf %s "$result" | jq -r '.interfaces[] | select((.sandbox // "") == "").name'); do
  ip link set "$port" group ${GROUP}
done
mkdir -p ${shellQuote(host.results)}
printf %s ${shellQuote(JSON.stringify(cached))} |
  jq -c --arg config "$(base64 -w 0 ${file})" --argjson result "$result" '. + {$config, $result}${invokers}' |
  install -m 600 /dev/stdin ${cache}
addresses=$(printf %s "$result" | jq -r '.ips[].address')`;
}

/** By what the cache holds of the ADD; the last plugin first. */
export function explainDetach(host: Caller, request: DetachRequest): string {
  const cached = shellQuote(cacheOf(host, request));
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

const cacheOf = ({ results }: Caller, { name, attachmentId, interface: of }: DetachRequest): string =>
  `${results}/${name}-${attachmentId}-${of}`;

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
