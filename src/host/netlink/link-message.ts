/** The message of RTM_NEWLINK, RTM_DELLINK and RTM_GETLINK: `ifinfomsg` with its attributes (linux/if_link.h). */
import { attributes, forEachAttribute, headed, listOf, type ValueOf, type Variant, variant } from './attributes.ts';
import { bytes, type Codec, i32, string, struct, u8, u16, u32 } from './bytes.ts';

const ifinfomsg = struct({ family: u8, pad: u8, type: u16, index: i32, flags: u32, change: u32 });

const commonAttributes = {
  address: [1, bytes],
  name: [3, string],
  mtu: [4, u32],
  link: [5, u32],
  master: [10, u32],
  alias: [20, string],
  group: [27, u32],
  netnsFd: [28, u32],
  extensions: [29, u32],
  linkNetnsId: [37, i32],
  altNames: [52, listOf(53, string)],
} as const;

const vethData = attributes({ peer: [1, headed(ifinfomsg, attributes(commonAttributes))] });
const bridgeData = attributes({
  forwardDelay: [1, u32],
  stp: [5, u32],
  vlanFiltering: [7, u8],
  multicastSnooping: [23, u8],
});
const bridgePortData = attributes({ hairpin: [4, u8], isolated: [33, u8] });

const ownKinds = { veth: vethData, bridge: bridgeData };
const portKinds = { bridge: bridgePortData };
const [OWN_KIND, OWN_DATA, PORT_KIND, PORT_DATA] = [1, 2, 4, 5];
const ownInfo = variant({ name: [OWN_KIND, string], data: OWN_DATA }, ownKinds);
const portInfo = variant({ name: [PORT_KIND, string], data: PORT_DATA }, portKinds);

/** IFLA_LINKINFO: what a link is, and what it is a port of; a physical interface in a bridge has the latter alone. */
interface LinkInfo {
  own?: Variant<typeof ownKinds> | undefined;
  port?: Variant<typeof portKinds> | undefined;
}

const linkInfo: Codec<LinkInfo> & { readonly nested: true } = {
  nested: true,
  write(out, { own, port }) {
    if (own) ownInfo.write(out, own);
    if (port) portInfo.write(out, port);
  },
  // Only the kinds, and a port's settings: the kernel tells dozens of a bridge's that nobody asks for.
  read(input) {
    let own: LinkInfo['own'];
    let portKind: string | undefined;
    let settings: Uint8Array | undefined;
    forEachAttribute(input, (type, start, end) => {
      const value = input.subarray(start, end);
      if (type === OWN_KIND) own = kindOf(string.read(value));
      else if (type === PORT_KIND) portKind = string.read(value);
      else if (type === PORT_DATA) settings = value;
    });
    return { own, port: portOf(portKind, settings) };
  },
};

function portOf(name: string | undefined, settings: Uint8Array | undefined): LinkInfo['port'] {
  if (name === undefined) return undefined;
  if (name !== 'bridge') return { kind: 'other', name };
  return settings === undefined ? { kind: name } : { kind: name, data: bridgePortData.read(settings) };
}

function kindOf(name: string): LinkInfo['own'] {
  return name === 'veth' || name === 'bridge' ? { kind: name } : { kind: 'other', name };
}

const body = { ...commonAttributes, info: [18, linkInfo] } as const;

export const linkMessage = headed(ifinfomsg, attributes(body));

export type LinkMessage = ValueOf<typeof linkMessage>;

/** IN6_ADDR_GEN_MODE_EUI64 and _NONE: whether a link-local address comes by itself. */
export const LINK_LOCAL = 0;
export const NO_LINK_LOCAL = 1;

// IFLA_AF_SPEC is large in what the kernel sends, so it is only written.
const addressFamilies = attributes({
  inet: [2, attributes({ parameters: [1, attributes({ arpNotify: [22, u32] })] })],
  inet6: [10, attributes({ addressGeneration: [8, u8] })],
});

/** What a link is to be changed to. */
export const linkChangeMessage = headed(ifinfomsg, attributes({ ...body, addressFamilies: [26, addressFamilies] }));

export type LinkChange = ValueOf<typeof linkChangeMessage>;
