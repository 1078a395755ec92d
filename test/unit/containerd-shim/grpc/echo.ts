/** A gRPC server of one method, `say`, as the tests of calls script it. */
import { message } from '../../../../plugins/containerd-shim/grpc/message.ts';
import { type GrpcError, isGrpcError } from '../../../../plugins/containerd-shim/grpc/status.ts';
import { type Peer, uint32 } from '../http2/peer.ts';

export const Text = message({ text: [1, 'string'] });
export const METHOD = '/test.Echo/Say';
export const OK = { ':status': '200', 'content-type': 'application/grpc' };
export const DONE = { 'grpc-status': '0' };

/** A Text of up to 125 characters of Latin-1, with gRPC's prefix. */
export function framed(text: string): Buffer {
  const body = Buffer.concat([Buffer.of(0x0a, text.length), Buffer.from(text, 'latin1')]);
  return Buffer.concat([Buffer.of(0), uint32(body.length), body]);
}

export async function failureOf(promise: Promise<unknown>): Promise<GrpcError> {
  const error = await promise.then(
    value => new Error(`it did not fail, but gave ${value}`),
    error => error,
  );
  if (!isGrpcError(error)) throw error;
  return error;
}

/** Answers the call on this stream with these messages and OK. */
export async function answer(peer: Peer, streamId: number, ...texts: string[]): Promise<void> {
  await peer.next('HEADERS', streamId);
  peer.headers(streamId, OK);
  for (const text of texts) peer.data(streamId, framed(text));
  peer.headers(streamId, DONE, true);
}
