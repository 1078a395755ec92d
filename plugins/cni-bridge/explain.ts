/** The commands that a person would type for the same effects. What only a run knows is a shell variable. */
import { dirname } from 'node:path';
import { explainWith, type NetworkActions, type NetworkDefinition, shellCommand, shellQuote } from 'kuke/plugin';
import { formatConflist } from '../../src/cni/conflist.ts';
import { explain } from '../../src/host/nftables/explain.ts';
import { difference } from '../../src/host/nftables/reconcile.ts';
import { explainAttach, explainDetach } from './explain-attach.ts';
import type { Host } from './host.ts';
import { isolated, isolationSection, memberOf } from './isolation.ts';
import { isLegalBridge } from './names.ts';
import { conflistOf, conflistPath } from './space-network.ts';

/** Stands in a text for the installation's id, which the shell puts in. */
const INSTANCE = '@INSTANCE@';

type Explained = Pick<Host, 'cniPath' | 'ipam' | 'results' | 'instanceFile' | 'isExecuted'>;

export function networkExplain(host: Explained) {
  const { ipam, instanceFile } = host;
  return explainWith<NetworkActions>({
    define: definition =>
      [readInstance(instanceFile), writeFile(definition), ...isolateCommands(definition)].join('\n'),
    remove: ref => {
      const file = shellQuote(conflistPath(ref));
      const readKey = (key: string) => `${key}=$(sed -n 's/^ *"${key}": "\\([^"]*\\)".*/\\1/p' ${file})`;
      const remove = (element: string) => `nft "delete element inet kukeon ${element}"`;
      const perRange = ['ranges$v { \\"$bridge\\" . $subnet }', 'all$v { $subnet }', 'masqueraded$v { $subnet }'];
      return [
        readKey('bridge'),
        readKey('subnet'),
        ...['bridges { \\"$bridge\\" }', 'pairs { \\"$bridge\\" . \\"$bridge\\" }'].map(one => remove(`space_${one}`)),
        'for subnet in $subnet; do',
        '  case $subnet in *:*) v=6 ;; *) v= ;; esac',
        ...perRange.map(one => `  ${remove(`space_${one}`)}`),
        'done',
        'ip link delete "$bridge"',
        shellCommand('rm', '-rf', `${ipam}/${ref.name}`),
        `rm ${file}`,
      ].join('\n');
    },
    open: ({ path }) => {
      const name = shellQuote(nameOf(path));
      return [
        `ip netns add ${name}`,
        `ip -n ${name} link set lo up`,
        `ip netns exec ${name} sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0`,
      ].join('\n');
    },
    close: ({ path }) => shellCommand('ip', 'netns', 'delete', nameOf(path)),
    attach: request => explainAttach(host, request),
    detach: request => explainDetach(host, request),
  });
}

export function explainRegenerate(
  { definition, rename }: { definition: NetworkDefinition; rename?: string },
  { instanceFile }: Pick<Host, 'instanceFile'>,
): string {
  const renamed = rename === undefined ? [] : [shellCommand('ip', 'link', 'set', rename, 'name', definition.bridge)];
  return [readInstance(instanceFile), ...isolateCommands(definition), ...renamed, writeFile(definition)].join('\n');
}

export function explainUninstall({ instanceFile }: Pick<Host, 'instanceFile'>): string {
  const isScaffold = 'all(.nftables[]; has("metainfo") or has("table") or .chain.policy == "accept")';
  const select = `.[] | select(.ifalias // "" | startswith("kukeon '"$INSTANCE"'")).ifname`;
  return [
    readInstance(instanceFile),
    ...removeSection(),
    `jq -r '.withoutNat[]?' ${shellQuote(`${dirname(instanceFile)}/cni-bridge.json`)} | while read -r family; do`,
    '  table=$(nft -j list table $family nat 2> /dev/null) || continue',
    `  if printf %s "$table" | jq -e '${isScaffold}' > /dev/null; then nft delete table $family nat; fi`,
    'done',
    `ip -j link show type bridge | jq -r '${select}' | xargs -rn1 ip link delete`,
    'TAG=$(printf %s "$INSTANCE" | sha256sum | cut -c1-4)',
    'ip netns list | awk -v tag="^kuke-$TAG" \'$1 ~ tag {print $1}\' | xargs -rn1 ip netns delete',
    'grep -l "$INSTANCE" /etc/cni/net.d/*.conflist | xargs -r rm',
    `! [ -e ${shellQuote(`${dirname(instanceFile)}/cni-plugins.json`)} ] || kuke cni uninstall`,
  ].join('\n');
}

const nameOf = (netns: string): string => netns.replace(/^\/run\/netns\//, '');

const readInstance = (file: string): string => `INSTANCE=$(cat ${shellQuote(file)})`;

function writeFile(definition: NetworkDefinition): string {
  const text = formatConflist(conflistOf(definition, INSTANCE)).trimEnd();
  const target = shellQuote(conflistPath(definition));
  return `sed "s/${INSTANCE}/$INSTANCE/" <<'END' | install -D -m 644 /dev/stdin ${target}\n${text}\nEND`;
}

/** The table too, unless something else is in it. */
function removeSection(): string[] {
  const { chains, sets } = isolationSection(INSTANCE);
  const names = (list: string[]) => list.join(' ');
  const chainNames = names(chains.map(({ chain }) => chain));
  return [
    `for chain in ${chainNames}; do nft flush chain inet kukeon $chain; done 2> /dev/null || true`,
    `for chain in ${chainNames}; do nft delete chain inet kukeon $chain; done 2> /dev/null || true`,
    `for set in ${names(sets.map(({ set }) => set))}; do nft delete set inet kukeon $set; done 2> /dev/null || true`,
    `if ! nft -s list table inet kukeon | grep -qE '^[[:space:]]+(chain|set|map)'; then nft delete table inet kukeon; fi`,
  ];
}

/** Table, chains and rules come with the first network; after that each one is its elements. */
function isolateCommands(definition: NetworkDefinition): string[] {
  const { bridge } = definition;
  if (!isLegalBridge(bridge)) return [`# no rule can name ${JSON.stringify(bridge)}`];
  const changes = difference({ ...isolationSection(INSTANCE), sets: isolated([memberOf(definition)]) });
  const lines = (kinds: string[]) =>
    changes
      .filter(({ object }) => kinds.includes(object.kind))
      .map(change => explain(change).replaceAll(INSTANCE, `'"$INSTANCE"'`));
  return [
    'nft list chain inet kukeon space_forward > /dev/null 2>&1 || {',
    ...lines(['table', 'chain', 'set', 'rule']).map(line => `  ${line}`),
    '}',
    ...lines(['elements']),
  ];
}
