import { expect, test } from 'bun:test';
import { ByteWriter, type Codec } from '../../../../src/host/netlink/bytes.ts';
import { linkChangeMessage, linkMessage } from '../../../../src/host/netlink/link-message.ts';

function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const out = new ByteWriter();
  codec.write(out, value);
  return out.finish();
}

test('a physical interface in a bridge says what it is a port of, and of no kind', () => {
  const port = { kind: 'bridge', data: { hairpin: 0, isolated: 1 } } as const;
  const read = linkMessage.read(encode(linkMessage, { index: 2, name: 'eth0', info: { port } }));
  expect(read).toMatchObject({ index: 2, name: 'eth0', info: { port } });
  expect(read.info?.own).toBeUndefined();
});

test('a port of something that is not known here is one of another kind', () => {
  const info = { own: { kind: 'veth' }, port: { kind: 'other', name: 'bond' } } as const;
  const read = linkMessage.read(encode(linkMessage, { index: 3, info }));
  expect(read.info).toEqual(info);
});

test('a change carries what the kernel takes in no other message', () => {
  const addressFamilies = { inet6: { addressGeneration: 1 } };
  const bytes = encode(linkChangeMessage, { index: 3, addressFamilies });
  expect(linkChangeMessage.read(bytes)).toMatchObject({ index: 3, addressFamilies });
  // ifinfomsg, IFLA_AF_SPEC | nested, AF_INET6 | nested, IFLA_INET6_ADDR_GEN_MODE
  expect(bytes.subarray(16).toHex()).toBe('10001a800c000a800500080001000000');
});
