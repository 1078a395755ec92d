/** containerd.services.images.v1: names for content. */
import { always, type Message, map, message, repeated } from '../grpc/message.ts';
import { unary } from './method.ts';
import { Descriptor, Empty, FieldMask } from './types.ts';

export const Image = message({
  name: [1, 'string'],
  labels: [2, map('string')],
  /** The manifest or index. */
  target: [3, always(Descriptor)],
  createdAt: [7, 'timestamp'],
  updatedAt: [8, 'timestamp'],
});
export type Image = Message<typeof Image>;

const GetImageRequest = message({ name: [1, 'string'] });
const GetImageResponse = message({ image: [1, Image] });
const ImageMessage = message({ image: [1, always(Image)] });
const UpdateImageRequest = message({ image: [1, always(Image)], updateMask: [2, FieldMask] });
const ListImagesRequest = message({ filters: [1, repeated('string')] });
const ListImagesResponse = message({ images: [1, repeated(Image)] });
const DeleteImageRequest = message({ name: [1, 'string'], sync: [2, 'bool'] });

export const Images = {
  get: unary('/containerd.services.images.v1.Images/Get', GetImageRequest, GetImageResponse, answer => answer.image),
  list: unary(
    '/containerd.services.images.v1.Images/List',
    ListImagesRequest,
    ListImagesResponse,
    answer => answer.images,
  ),
  create: unary('/containerd.services.images.v1.Images/Create', ImageMessage, ImageMessage, answer => answer.image),
  /** updateMask: `labels`, `labels.<key>`, `target`; without it all of these are replaced. */
  update: unary(
    '/containerd.services.images.v1.Images/Update',
    UpdateImageRequest,
    ImageMessage,
    answer => answer.image,
  ),
  /** sync: answers after the garbage collector has removed what the image alone kept. */
  delete: unary('/containerd.services.images.v1.Images/Delete', DeleteImageRequest, Empty),
};
