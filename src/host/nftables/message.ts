/** The messages of nf_tables over nfnetlink: attribute tables by object (linux/netfilter/nf_tables.h, nfnetlink.h). */
import { attributes, headed, listOf, type ValueOf } from '../netlink/attributes.ts';
import { bytes, i32be, string, struct, u8, u16be, u32be, u64be } from '../netlink/bytes.ts';
import { dataCodec, expressionsCodec } from './expression.ts';
import type { Family, Hook } from './object.ts';

const SUBSYSTEM = 10;

/** NFT_MSG_*: what is new, asked for or deleted, for each kind of object. */
export const MESSAGE = {
  table: { add: 0, get: 1, delete: 2 },
  chain: { add: 3, get: 4, delete: 5 },
  rule: { add: 6, get: 7, delete: 8 },
  set: { add: 9, get: 10, delete: 11 },
  elements: { add: 12, get: 13, delete: 14 },
  generation: { get: 16 },
} as const;

/** The netlink type of an NFT_MSG_*. */
export function messageType(message: number): number {
  return (SUBSYSTEM << 8) | message;
}

export const BATCH_BEGIN = 16;
export const BATCH_END = 17;

/** NFPROTO_* */
const FAMILIES: Record<Family, number> = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 };

export function familyNumber(family: Family): number {
  return FAMILIES[family];
}

export function familyName(number: number | undefined): Family {
  const names = Object.keys(FAMILIES) as Family[];
  return names.find(name => FAMILIES[name] === number) ?? 'inet';
}

const HOOKS: readonly Hook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];

export function hookNumber(hook: Hook): number {
  return HOOKS.indexOf(hook);
}

export function hookName(number: number): Hook | undefined {
  return HOOKS[number];
}

/** enum nft_set_flags */
export const SET_FLAG = { anonymous: 1, interval: 4, map: 8, object: 0x40, concat: 0x80 } as const;
/** NFT_DATA_VERDICT: the data type of a verdict map. */
export const VERDICT_TYPE = 0xffffff00;
/** sizeof(struct nft_verdict) as user space has it. */
export const VERDICT_LENGTH = 0;
/** NFT_SET_ELEM_INTERVAL_END */
export const INTERVAL_END = 1;

const nfgenmsg = struct({ family: u8, version: u8, resource: u16be });
export const NFGENMSG_SIZE = nfgenmsg.size;

export const tableMessage = headed(
  nfgenmsg,
  attributes({ table: [1, string], flags: [2, u32be], use: [3, u32be], handle: [4, u64be], userdata: [6, bytes] }),
);

export const chainMessage = headed(
  nfgenmsg,
  attributes({
    table: [1, string],
    handle: [2, u64be],
    chain: [3, string],
    hook: [4, attributes({ number: [1, u32be], priority: [2, i32be] })],
    policy: [5, u32be],
    type: [7, string],
    userdata: [12, bytes],
  }),
);

export const ruleMessage = headed(
  nfgenmsg,
  attributes({
    table: [1, string],
    chain: [2, string],
    handle: [3, u64be],
    expressions: [4, expressionsCodec],
    position: [6, u64be],
    userdata: [7, bytes],
  }),
);

/** Of a rule only what marks it: the rest is passed over when it is read. */
export const ruleMarkMessage = headed(
  nfgenmsg,
  attributes({ table: [1, string], chain: [2, string], userdata: [7, bytes] }),
);

export const setMessage = headed(
  nfgenmsg,
  attributes({
    table: [1, string],
    set: [2, string],
    flags: [3, u32be],
    keyType: [4, u32be],
    keyLength: [5, u32be],
    dataType: [6, u32be],
    dataLength: [7, u32be],
    description: [9, attributes({ concat: [2, listOf(1, attributes({ length: [1, u32be] }))] })],
    id: [10, u32be],
    userdata: [13, bytes],
  }),
);

const elementCodec = attributes({
  key: [1, dataCodec],
  data: [2, dataCodec],
  flags: [3, u32be],
  userdata: [6, bytes],
  keyEnd: [10, dataCodec],
});

/** An element as the kernel has it; an interval may be two of them. */
export type WireElement = ValueOf<typeof elementCodec>;

/** NFTA_SET_ELEM_LIST_ELEMENTS */
export const ELEMENT_LIST = 3;

export const elementsMessage = headed(
  nfgenmsg,
  attributes({ table: [1, string], set: [2, string], elements: [ELEMENT_LIST, listOf(1, elementCodec)] }),
);

export const generationMessage = headed(nfgenmsg, attributes({ id: [1, u32be] }));

/** NFNL_MSG_BATCH_BEGIN and END. A `generation` makes the kernel refuse the batch with ERESTART if the ruleset has changed since. */
export const batchMessage = headed(nfgenmsg, attributes({ generation: [1, u32be] }));

/** The value of a `batchMessage`. */
export function batchOf(generation?: number): ValueOf<typeof batchMessage> {
  return { resource: SUBSYSTEM, generation };
}
