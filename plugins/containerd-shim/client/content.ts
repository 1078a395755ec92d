/** containerd.services.content.v1: blobs by digest. Whole blobs go in and out by blobs.ts. */
import { always, enumeration, type Message, map, message, repeated } from '../grpc/message.ts';
import { bidirectional, serverStream, unary } from './method.ts';
import { Empty, FieldMask } from './types.ts';

export const ContentInfo = message({
  /** `sha256:...` */
  digest: [1, 'string'],
  size: [2, 'int64'],
  createdAt: [3, 'timestamp'],
  updatedAt: [4, 'timestamp'],
  labels: [5, map('string')],
});
export type ContentInfo = Message<typeof ContentInfo>;

/** An upload that was begun and not committed. */
export const UploadStatus = message({
  startedAt: [1, 'timestamp'],
  updatedAt: [2, 'timestamp'],
  ref: [3, 'string'],
  offset: [4, 'int64'],
  total: [5, 'int64'],
  expected: [6, 'string'],
});
export type UploadStatus = Message<typeof UploadStatus>;

const WriteAction = enumeration('STAT', 'WRITE', 'COMMIT');

export const WriteContentRequest = message({
  action: [1, WriteAction],
  ref: [2, 'string'],
  total: [3, 'int64'],
  expected: [4, 'string'],
  offset: [5, 'int64'],
  data: [6, 'bytes'],
  labels: [7, map('string')],
});

export const WriteContentResponse = message({
  action: [1, WriteAction],
  startedAt: [2, 'timestamp'],
  updatedAt: [3, 'timestamp'],
  offset: [4, 'int64'],
  total: [5, 'int64'],
  digest: [6, 'string'],
});

const DigestRequest = message({ digest: [1, 'string'] });
const InfoMessage = message({ info: [1, always(ContentInfo)] });
const UpdateRequest = message({ info: [1, always(ContentInfo)], updateMask: [2, FieldMask] });
const FiltersRequest = message({ filters: [1, repeated('string')] });
const ListContentResponse = message({ info: [1, repeated(ContentInfo)] });
const ReadContentRequest = message({ digest: [1, 'string'], offset: [2, 'int64'], size: [3, 'int64'] });
const ReadContentResponse = message({ offset: [1, 'int64'], data: [2, 'bytes'] });
const RefRequest = message({ ref: [1, 'string'] });
const StatusResponse = message({ status: [1, UploadStatus] });
const ListStatusesResponse = message({ statuses: [1, repeated(UploadStatus)] });

export const Content = {
  info: unary('/containerd.services.content.v1.Content/Info', DigestRequest, InfoMessage, answer => answer.info),
  /** updateMask: `labels`, or `labels.<key>` for one. */
  update: unary('/containerd.services.content.v1.Content/Update', UpdateRequest, InfoMessage, answer => answer.info),
  list: serverStream(
    '/containerd.services.content.v1.Content/List',
    FiltersRequest,
    ListContentResponse,
    answer => answer.info,
  ),
  delete: unary('/containerd.services.content.v1.Content/Delete', DigestRequest, Empty),
  /** Pieces of up to 1 MiB, in order; size 0 reads to the end. */
  read: serverStream('/containerd.services.content.v1.Content/Read', ReadContentRequest, ReadContentResponse),
  /** The bare protocol; use `upload` of blobs.ts. */
  write: bidirectional('/containerd.services.content.v1.Content/Write', WriteContentRequest, WriteContentResponse),
  status: unary('/containerd.services.content.v1.Content/Status', RefRequest, StatusResponse, answer => answer.status),
  listStatuses: unary(
    '/containerd.services.content.v1.Content/ListStatuses',
    FiltersRequest,
    ListStatusesResponse,
    answer => answer.statuses,
  ),
  /** Drops an upload that was begun and not committed. */
  abort: unary('/containerd.services.content.v1.Content/Abort', RefRequest, Empty),
};
