/** `--timeout` of what waits until resources are Ready. */
import type { ArgsDef } from 'citty';

export const readyTimeoutArg = {
  timeout: {
    type: 'string',
    valueHint: 'TIME',
    default: '5m',
    description: 'how long it may take until all are Ready',
  },
} as const satisfies ArgsDef;
