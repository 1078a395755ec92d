/** containerd.services.version.v1. */
import { message } from '../grpc/message.ts';
import { unary } from './method.ts';
import { Empty } from './types.ts';

const VersionResponse = message({ version: [1, 'string'], revision: [2, 'string'] });

export const Version = {
  /** `{ version: '1.6.20~ds1', revision: '...' }`: 1.6 and later, with or without a leading v. */
  version: unary('/containerd.services.version.v1.Version/Version', Empty, VersionResponse),
};
