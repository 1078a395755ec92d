import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { attributes } from '../../../../src/host/netlink/attributes.ts';
import { ByteWriter, MalformedMessage, string } from '../../../../src/host/netlink/bytes.ts';
import {
  DONE,
  ERROR,
  Flag,
  type Message,
  messagesIn,
  readAnswer,
  writeMessage,
} from '../../../../src/host/netlink/message.ts';

const named = attributes({ name: [3, string] });

function encoded(header: { type: number; flags: number; sequence: number }, name: string): Uint8Array {
  const out = new ByteWriter();
  writeMessage(out, header, named, { name });
  return out.finish();
}

function answer(type: number, flags: number, ...hex: string[]): Message {
  return { type, flags, sequence: 1, body: Uint8Array.fromHex(hex.join('')) };
}

describe('messages', () => {
  test('are framed and walked', () => {
    const one = encoded({ type: 16, flags: Flag.REQUEST | Flag.ACK, sequence: 7 }, 'a');
    const two = encoded({ type: 17, flags: Flag.REQUEST, sequence: 8 }, 'bridge');
    expect(one.toHex()).toBe(['18000000', '1000', '0500', '07000000', '00000000', '0600030061000000'].join(''));
    const walked = messagesIn(Buffer.concat([one, two]));
    expect(walked.map(m => [m.type, m.flags, m.sequence, named.read(m.body).name])).toEqual([
      [16, 5, 7, 'a'],
      [17, 1, 8, 'bridge'],
    ]);
  });

  test('cut anywhere, they are malformed', () => {
    const whole = encoded({ type: 16, flags: 0, sequence: 1 }, 'bridge');
    for (let size = 1; size < whole.length; size++) {
      expect(() => messagesIn(whole.subarray(0, size))).toThrow(MalformedMessage);
    }
  });

  test('random bytes never do more than be malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), datagram => {
        try {
          for (const message of messagesIn(datagram)) readAnswer(message);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('answers', () => {
  const header = '14000000100005000100000000000000';
  const text = '080001006f6f7073'; // NLMSGERR_ATTR_MSG "oops"
  const offset = '0800020014000000'; // NLMSGERR_ATTR_OFFS 20

  test('errno of a refusal, 0 of an acknowledgement', () => {
    expect(readAnswer(answer(ERROR, Flag.CAPPED, 'efffffff', header))).toEqual({ errno: 17 });
    expect(readAnswer(answer(ERROR, Flag.CAPPED, '00000000', header))).toEqual({ errno: 0 });
  });

  test("the kernel's words after a capped request", () => {
    const message = answer(ERROR, Flag.CAPPED | Flag.ACK_ATTRIBUTES, 'efffffff', header, text, offset);
    expect(readAnswer(message)).toEqual({ errno: 17, text: 'oops', offset: 20 });
  });

  test("the kernel's words after a whole request", () => {
    const message = answer(ERROR, Flag.ACK_ATTRIBUTES, 'efffffff', header, 'aabbccdd', text);
    expect(readAnswer(message)).toEqual({ errno: 17, text: 'oops' });
  });

  test('the end of a dump, with and without an error', () => {
    expect(readAnswer(answer(DONE, Flag.MULTI))).toEqual({ errno: 0 });
    expect(readAnswer(answer(DONE, Flag.MULTI | Flag.ACK_ATTRIBUTES, 'fcffffff', text))).toEqual({
      errno: 4,
      text: 'oops',
    });
  });
});
