/** Messages that several services share (containerd/api/types). */
import { type Message, map, message, repeated } from '../grpc/message.ts';

export { Any, Empty, FieldMask } from '../grpc/any.ts';

/** OCI content descriptor. */
export const Descriptor = message({
  mediaType: [1, 'string'],
  digest: [2, 'string'],
  size: [3, 'int64'],
  annotations: [5, map('string')],
});
export type Descriptor = Message<typeof Descriptor>;

/** A mount as mount(8) knows it: `{ type: 'overlay', source: 'overlay', options: ['lowerdir=...'] }`. */
export const Mount = message({
  type: [1, 'string'],
  source: [2, 'string'],
  target: [3, 'string'],
  options: [4, repeated('string')],
});
export type Mount = Message<typeof Mount>;

export const Platform = message({ os: [1, 'string'], architecture: [2, 'string'], variant: [3, 'string'] });
