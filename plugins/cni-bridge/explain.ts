/** The commands that a person would type for the same effects. What only a run knows is a shell variable. */
import { dirname } from 'node:path';
import { explainWith, type NetworkActions, type NetworkDefinition, shellCommand, shellQuote } from 'kuke/plugin';
import { formatConflist } from '../../src/cni/conflist.ts';
import { explain } from '../../src/host/nftables/explain.ts';
import type { TableContent } from '../../src/host/nftables/list.ts';
import { difference } from '../../src/host/nftables/reconcile.ts';
import { explainAttach, explainDetach } from './explain-attach.ts';
import { framesOf, framesSection, GROUP } from './frames.ts';
import type { Host } from './host.ts';
import { isolated, isolationSection, memberOf } from './isolation.ts';
import { isLegalBridge } from './names.ts';
import { SETTINGS } from './namespaces.ts';
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
      const remove = (family: string, element: string) => `nft "delete element ${family} kukeon space_${element}"`;
      const perRange = ['ranges$v { \\"$bridge\\" . $subnet }', 'all$v { $subnet }', 'masqueraded$v { $subnet }'];
      const perFrame = ['ranges$v { $group . $subnet }', 'all$v { $subnet }'];
      return [
        readKey('bridge'),
        readKey('subnet'),
        `group=${GROUP}`,
        remove('inet', 'bridges { \\"$bridge\\" }'),
        remove('inet', 'pairs { \\"$bridge\\" . \\"$bridge\\" }'),
        'for subnet in $subnet; do',
        '  case $subnet in *:*) v=6 ;; *) v= ;; esac',
        ...perRange.map(one => `  ${remove('inet', one)}`),
        ...perFrame.map(one => `  ${remove('bridge', one)}`),
        'done',
        '! [ -e /sys/class/net/"$bridge" ] || ip link delete "$bridge"',
        shellCommand('rm', '-rf', `${ipam}/${ref.name}`),
        `rm ${file}`,
      ].join('\n');
    },
    open: ({ path }) => {
      const name = shellQuote(nameOf(path));
      const settings = Object.entries(SETTINGS).map(([one, value]) => `${one}=${value}`);
      return [
        `ip netns add ${name}`,
        `ip -n ${name} link set lo up`,
        `ip netns exec ${name} sysctl -qw ${settings.join(' ')}`,
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
  // That of iptables, and of portmap for all ports together.
  const isScaffold = [
    'all(.nftables[]; has("metainfo") or has("table") or .chain.policy == "accept"',
    '(.chain.name // "" | startswith("CNI-HOSTPORT-"))',
    '(.rule.chain // "" | test("^CNI-HOSTPORT-(MASQ|SETMARK)$"))',
    '(.rule.expr // [] | any(.jump.target // "" | startswith("CNI-HOSTPORT-"))))',
  ].join(' or ');
  const select = `.[] | select(.ifalias // "" | startswith("kukeon '"$INSTANCE"'")).ifname`;
  return [
    readInstance(instanceFile),
    ...removeSections(),
    `jq -r '.withoutNat[]?' ${shellQuote(`${dirname(instanceFile)}/cni-bridge.json`)} 2> /dev/null | while read -r family; do`,
    '  table=$(nft -j list table $family nat 2> /dev/null) || continue',
    `  if printf %s "$table" | jq -e '${isScaffold}' > /dev/null; then nft delete table $family nat; fi`,
    'done',
    `ip -j link show type bridge | jq -r '${select}' | xargs -rn1 ip link delete`,
    'TAG=$(printf %s "$INSTANCE" | sha256sum | cut -c1-4)',
    'ip netns list | awk -v tag="^kuke-$TAG" \'$1 ~ tag {print $1}\' | xargs -rn1 ip netns delete',
    'grep -ls "$INSTANCE" /etc/cni/net.d/*.conflist | xargs -r rm',
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

/** The tables too, unless something else is in them. */
function removeSections(): string[] {
  return [isolationSection(INSTANCE), framesSection(INSTANCE)].flatMap(({ table: { family }, chains, sets }) => {
    const chainNames = chains.map(({ chain }) => chain).join(' ');
    const setNames = sets.map(({ set }) => set).join(' ');
    const isEmpty = `! nft -s list table ${family} kukeon | grep -qE '^[[:space:]]+(chain|set|map)'`;
    return [
      `for chain in ${chainNames}; do nft flush chain ${family} kukeon $chain; done 2> /dev/null || true`,
      `for chain in ${chainNames}; do nft delete chain ${family} kukeon $chain; done 2> /dev/null || true`,
      `for set in ${setNames}; do nft delete set ${family} kukeon $set; done 2> /dev/null || true`,
      `if nft list table ${family} kukeon > /dev/null 2>&1 && ${isEmpty}; then nft delete table ${family} kukeon; fi`,
    ];
  });
}

/** Tables, chains and rules come with the first network; after that each one is its elements. */
function isolateCommands(definition: NetworkDefinition): string[] {
  const { bridge } = definition;
  if (!isLegalBridge(bridge)) return [`# no rule can name ${JSON.stringify(bridge)}`];
  const member = memberOf(definition);
  return [
    ...sectionCommands({ ...isolationSection(INSTANCE), sets: isolated([member]) }),
    ...sectionCommands({ ...framesSection(INSTANCE), sets: framesOf([member]) }),
  ];
}

function sectionCommands(desired: TableContent): string[] {
  const { family, table } = desired.table;
  const changes = difference(desired);
  const lines = (kinds: string[]) =>
    changes
      .filter(({ object }) => kinds.includes(object.kind))
      .map(change => explain(change).replaceAll(INSTANCE, `'"$INSTANCE"'`));
  return [
    `nft list chain ${family} ${table} ${desired.chains[0]?.chain} > /dev/null 2>&1 || {`,
    ...lines(['table', 'chain', 'set', 'rule']).map(line => `  ${line}`),
    '}',
    ...lines(['elements']),
  ];
}
