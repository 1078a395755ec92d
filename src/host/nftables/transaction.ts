/** One batch of changes, one transaction: the kernel makes all of them or none. */
import { forEachAttribute } from '../netlink/attributes.ts';
import { ByteWriter, MalformedMessage } from '../netlink/bytes.ts';
import { type Answer, ERROR, Flag, HEADER_SIZE, messagesIn, readAnswer, writeMessage } from '../netlink/message.ts';
import { type NetlinkSocket, requestError } from '../netlink/socket.ts';
import { type Change, type ChangeMessage, messagesOf } from './change.ts';
import { describe } from './explain.ts';
import { BATCH_BEGIN, BATCH_END, batchMessage, batchOf, ELEMENT_LIST, NFGENMSG_SIZE } from './message.ts';
import type { Element } from './object.ts';

export interface CommitOptions {
  /** Of the ruleset that the changes were made for; if it has changed since, nothing is done and the error is ERESTART. */
  generation?: number;
}

/**
 * Makes all changes, in this order, or none. A change that the kernel refuses is named in the error, in nft's language:
 * `add element inet t s { "br0" }: File exists (EEXIST)`. A value that cannot be is a RangeError, and nothing is sent.
 */
export function commit(socket: NetlinkSocket, changes: readonly Change[], { generation }: CommitOptions = {}): void {
  const messages = changes.flatMap(messagesOf);
  if (messages.length === 0) return;
  const out = new ByteWriter();
  const begin = socket.nextSequence();
  const sent = new Map<number, ChangeMessage>();
  const header = { flags: Flag.REQUEST, sequence: begin };
  writeMessage(out, { ...header, type: BATCH_BEGIN }, batchMessage, batchOf(generation));
  for (const [index, message] of messages.entries()) {
    const sequence = socket.nextSequence();
    sent.set(sequence, message);
    // The kernel reports every refusal unasked; that the last message is acknowledged too says that there was none.
    message.write(out, sequence, index === messages.length - 1 ? Flag.ACK : 0);
  }
  writeMessage(out, { ...header, type: BATCH_END }, batchMessage, batchOf());

  const step = `nftables transaction of ${changes.length} changes`;
  socket.send(step, out.finish());
  const answers = receiveAnswers(socket);
  for (const [sequence, answer] of answers) {
    if (answer.errno === 0) continue;
    const message = sent.get(sequence);
    throw requestError(message ? describeRefused(message, answer) : step, answer);
  }
  if (answers.size === 0) throw new MalformedMessage(`${step}: no answer from the kernel`);
}

/** The answers by sequence number, in the order of the messages; the first refusal is the cause of those after it. */
function receiveAnswers(socket: NetlinkSocket): Map<number, Answer> {
  const answers: [number, Answer][] = [];
  for (;;) {
    const datagram = socket.receive();
    if (datagram === undefined) break;
    // Refusals that did not fit into the socket come after those that did.
    if (datagram === 'lost') continue;
    for (const message of messagesIn(datagram)) {
      if (message.type === ERROR) answers.push([message.sequence, readAnswer(message)]);
    }
  }
  return new Map(answers.sort(([a], [b]) => a - b));
}

/** The change in nft's language; of many elements, the one at fault where the kernel names it. */
function describeRefused(message: ChangeMessage, { offset }: Answer): string {
  const { change } = message;
  if (change.object.kind !== 'elements') return describe(change);
  const element = offset === undefined ? undefined : elementAt(message, offset);
  const { length } = change.object.elements;
  const [first] = message.elements;
  const shown = element ?? first;
  const text = describe({ verb: change.verb, object: { ...change.object, elements: shown ? [shown] : [] } } as Change);
  return element || length === 1 ? text : `${text} and ${length - 1} more`;
}

/** The element whose attribute stands at that offset of the message. */
function elementAt(message: ChangeMessage, offset: number): Element | undefined {
  const out = new ByteWriter();
  message.write(out, 0, 0);
  const body = out.finish().subarray(HEADER_SIZE + NFGENMSG_SIZE);
  const at = offset - HEADER_SIZE - NFGENMSG_SIZE;
  let index = -1;
  forEachAttribute(body, (type, start, end) => {
    if (type !== ELEMENT_LIST || at < start || at >= end) return;
    // The attribute at fault is an element's or lies inside of one; headers of attributes are 4 bytes.
    forEachAttribute(body.subarray(start, end), (_, valueStart) => {
      if (start + valueStart - 4 <= at) index++;
    });
  });
  return message.elements[index];
}
