/** A container's first process as it goes on: what it writes comes out here, until it ends or is left. */
import type { ContainerParams, RuntimeBackend } from './backends/index.ts';
import { KukeError } from './errors.ts';
import { follow } from './logs/follow.ts';
import { type Logs, readerOf } from './logs/log-reader.ts';
import { describe, type ResourceRef } from './resource.ts';

export interface Attended {
  runtime: RuntimeBackend;
  id: ContainerParams;
  logPath: string;
  /** From there on, of all that was ever written, it is shown. */
  offset: number;
}

export interface Shown {
  logs: Logs;
  /** Takes what it wrote; false: nobody reads it any more. The bytes are its own only until it resolves. */
  write(bytes: Uint8Array): Promise<boolean>;
}

export interface End {
  how: 'ended' | 'left' | 'unread';
  /** Absent: nobody knows it, or it runs on. */
  exitCode?: number;
}

/** `left`: that has resolved. `unread`: nobody reads what is shown any more; where that is given, it is called then, and the end waited for. */
export async function attend(
  { runtime, id, logPath, offset }: Attended,
  { logs, write }: Shown,
  left: Promise<unknown>,
  unread?: (ended: Promise<unknown>) => Promise<unknown>,
): Promise<End> {
  using log = readerOf(logs, logPath, { offset });
  const over = new AbortController();
  const ended = runtime.wait(id, over.signal);
  const state: End = { how: 'unread' };
  const become = (how: End['how']) => () => {
    state.how = how;
  };
  const isEnded = ended.then(become('ended'));
  const isLeft = left.then(become('left'));
  const failed = new Promise<never>((_, reject) => void isLeft.catch(reject));
  for (const settled of [isEnded, isLeft, failed]) settled.catch(() => {});
  try {
    await follow([logPath], () => log.pull(write), Promise.race([isEnded, failed]), isLeft);
    const { how } = state;
    if (how === 'left' || (how === 'unread' && unread === undefined)) return { how };
    if (how === 'unread') await unread?.(ended);
    return { how, ...(await ended) };
  } finally {
    over.abort();
  }
}

/** Nobody may know how it ended. */
export function codeOf({ exitCode }: { exitCode?: number }, ref: ResourceRef): number {
  if (exitCode !== undefined) return exitCode;
  throw new KukeError('Failed', 'nobody knows how it ended: it was deleted, or its shim has died', {
    resource: describe(ref),
    remedy: 'see its log',
  });
}
