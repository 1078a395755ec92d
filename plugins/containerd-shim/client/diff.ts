/** containerd.services.diff.v1: layers unpacked into mounts, and made of the difference of two. */
import { always, map, message, repeated } from '../grpc/message.ts';
import { unary } from './method.ts';
import { Any, Descriptor, Mount } from './types.ts';

const ApplyRequest = message({ diff: [1, always(Descriptor)], mounts: [2, repeated(Mount)], payloads: [3, map(Any)] });
const ApplyResponse = message({ applied: [1, Descriptor] });
const DiffRequest = message({
  left: [1, repeated(Mount)],
  right: [2, repeated(Mount)],
  mediaType: [3, 'string'],
  /** Of the upload. */
  ref: [4, 'string'],
  labels: [5, map('string')],
});
// The field's number is 3 indeed.
const DiffResponse = message({ diff: [3, Descriptor] });

export const Diff = {
  /** Unpacks a layer, which is in the content store. The result describes it uncompressed: its digest is the layer's diff id. */
  apply: unary('/containerd.services.diff.v1.Diff/Apply', ApplyRequest, ApplyResponse, answer => answer.applied),
  /** Puts the layer that leads from left to right into the content store. */
  diff: unary('/containerd.services.diff.v1.Diff/Diff', DiffRequest, DiffResponse, answer => answer.diff),
};
