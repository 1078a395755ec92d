/** The commands that a person would type for the same effects. What only a run knows is a shell variable. */
import { explainWith, type NetworkActions, type NetworkDefinition, shellCommand, shellQuote } from 'kuke/plugin';
import { formatConflist } from '../../src/cni/conflist.ts';
import { explain } from '../../src/host/nftables/explain.ts';
import { difference } from '../../src/host/nftables/reconcile.ts';
import { isolation } from './isolation.ts';
import { conflistOf, conflistPath } from './space-network.ts';

export function networkExplain(cniPath: readonly string[], ipam: string, results: string) {
  return explainWith<NetworkActions>({
    define: definition => [writeFile(definition), ...isolate(definition)].join('\n'),
    remove: ref => {
      const path = conflistPath(ref);
      const bridge = `bridge=$(jq -r '.plugins[0].bridge' ${shellQuote(path)})`;
      return [
        bridge,
        ...['bridges { "$bridge" }', 'pairs { "$bridge" . "$bridge" }'].map(
          element => `nft "delete element inet kukeon ${element.replaceAll('"', '\\"')}"`,
        ),
        'ip link delete "$bridge"',
        shellCommand('rm', '-rf', `${ipam}/${ref.name}`),
        shellCommand('rm', path),
      ].join('\n');
    },
    open: ({ path }) => {
      const name = shellQuote(path.replace(/^\/run\/netns\//, ''));
      return [
        `ip netns add ${name}`,
        `ip -n ${name} link set lo up`,
        `ip netns exec ${name} sysctl -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0`,
      ].join('\n');
    },
    close: ({ path }) => shellCommand('ip', 'netns', 'delete', path.replace(/^\/run\/netns\//, '')),
    attach: request => {
      const path = conflistPath(request);
      return `${pluginInput(path)} | ${plugin('ADD', request)}`;
    },
    detach: request => {
      const cached = shellQuote(`${results}/${request.name}-${request.attachmentId}-${request.interface}`);
      const config = `jq -r .config ${cached} | base64 -d | jq '.plugins[0] + {cniVersion, name}'`;
      return `${config} | ${plugin('DEL', request)}\nrm ${cached}`;
    },
  });

  function plugin(
    command: 'ADD' | 'DEL',
    { attachmentId, netns, interface: ifName }: { attachmentId: string; netns: string; interface: string },
  ): string {
    const environment = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: attachmentId,
      CNI_NETNS: netns,
      CNI_IFNAME: ifName,
      CNI_PATH: cniPath.join(':'),
    };
    const words = Object.entries(environment).map(([name, value]) => `${name}=${shellQuote(value)}`);
    return [...words, shellQuote(`${cniPath.at(-1)}/bridge`)].join(' ');
  }
}

/** What a runtime puts on a plugin's standard input: its part of the conflist, with name and version. */
function pluginInput(path: string): string {
  return `jq '.plugins[0] + {cniVersion, name}' ${shellQuote(path)}`;
}

function writeFile(definition: NetworkDefinition): string {
  const text = formatConflist(conflistOf(definition, 'INSTANCE')).trimEnd();
  return `install -D -m 644 /dev/stdin ${shellQuote(conflistPath(definition))} <<'END'\n${text}\nEND`;
}

/** The elements of the network; table, chains and rules are there from the first one on, or come with it. */
function isolate({ bridge, gateway, name }: NetworkDefinition): string[] {
  const wanted = isolation('INSTANCE', [{ bridge, gateways: [gateway], network: name }]);
  return difference(wanted).map(change => explain(change));
}

export function explainRegenerate({ definition, rename }: { definition: NetworkDefinition; rename?: string }): string {
  const renamed = rename === undefined ? [] : [shellCommand('ip', 'link', 'set', rename, 'name', definition.bridge)];
  return [...isolate(definition), ...renamed, writeFile(definition)].join('\n');
}

export function explainUninstall(): string {
  return [
    'nft delete table inet kukeon',
    'ip -j link show type bridge | jq -r \'.[] | select(.ifalias // "" | startswith("kukeon ")).ifname\' | xargs -rn1 ip link delete',
    "ip netns list | awk '/^kuke-/ {print $1}' | xargs -rn1 ip netns delete",
    'grep -l \'"kukeon"\' /etc/cni/net.d/*.conflist | xargs -r rm',
  ].join('\n');
}
