/** Netlink messages: framing, and the kernel's answers to requests (netlink(7)). */
import { attributes } from './attributes.ts';
import { type ByteWriter, type Codec, i32, MalformedMessage, string, u32 } from './bytes.ts';

export const HEADER_SIZE = 16;

/** Message types below NLMSG_MIN_TYPE, which every protocol shares. */
export const ERROR = 2;
export const DONE = 3;

/** NLM_F_*: what a request asks for, and what an answer says of itself. */
export const Flag = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  DUMP_INTERRUPTED: 0x10,
  CAPPED: 0x100,
  REPLACE: 0x100,
  EXCLUSIVE: 0x200,
  ACK_ATTRIBUTES: 0x200,
  DUMP: 0x300,
  CREATE: 0x400,
  APPEND: 0x800,
} as const;

export interface Message {
  type: number;
  flags: number;
  sequence: number;
  /** What follows the header; a view of the receive buffer, to be decoded before the next receive. */
  body: Uint8Array;
}

/** Writes a whole message, header and padding, at the end of `out`; returns where it starts. */
export function writeMessage<T>(
  out: ByteWriter,
  header: { type: number; flags: number; sequence: number },
  codec: Codec<T>,
  value: T,
): number {
  const start = out.length;
  if (start + HEADER_SIZE > out.array.length) out.grow(HEADER_SIZE);
  out.length += HEADER_SIZE;
  codec.write(out, value);
  const { view } = out;
  view.setUint32(start, out.length - start, true);
  view.setUint16(start + 4, header.type, true);
  view.setUint16(start + 6, header.flags, true);
  view.setUint32(start + 8, header.sequence, true);
  out.align();
  return start;
}

/** The messages of one datagram; throws MalformedMessage where a length does not fit. */
export function messagesIn(datagram: Uint8Array): Message[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const messages: Message[] = [];
  for (let at = 0; at < datagram.length; ) {
    if (at + HEADER_SIZE > datagram.length) throw new MalformedMessage(`${datagram.length - at} bytes after a message`);
    const length = view.getUint32(at, true);
    if (length < HEADER_SIZE || at + length > datagram.length) {
      throw new MalformedMessage(`message of ${length} bytes at ${at} of ${datagram.length}`);
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: datagram.subarray(at + HEADER_SIZE, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

const extendedAck = attributes({ text: [1, string], offset: [2, u32] });

/** The kernel's answer to a request: errno (0: done), its own words, and where in the request the fault is. */
export interface Answer {
  errno: number;
  text?: string | undefined;
  /** Byte offset of the attribute at fault, from the start of the request's header. */
  offset?: number | undefined;
}

/** Reads NLMSG_ERROR, or the NLMSG_DONE at the end of a dump, with NETLINK_EXT_ACK's attributes. */
export function readAnswer(message: Message): Answer {
  const { type, flags, body } = message;
  if (type === DONE && body.length < 4) return { errno: 0 };
  const errno = Math.abs(i32.read(body));
  if ((flags & Flag.ACK_ATTRIBUTES) === 0) return { errno };
  let at = 4;
  if (type === ERROR) {
    // The request follows: only its header if the answer is capped, else all of it.
    const echoed = flags & Flag.CAPPED ? HEADER_SIZE : u32.read(body.subarray(4));
    at += (echoed + 3) & ~3;
  }
  return { errno, ...extendedAck.read(body.subarray(at)) };
}
