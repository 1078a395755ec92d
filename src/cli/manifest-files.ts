/** Resources from files and standard input, all of them valid, or none (spec.md §7). */

import type { ArgsDef } from 'citty';
import { MAX_BYTES, parseDocuments } from '../kernel/documents.ts';
import { KukeError } from '../kernel/errors.ts';
import type { Resource } from '../kernel/kinds.ts';
import { readManifest, refuseMany } from '../kernel/manifest.ts';
import { othersTurn } from '../kernel/others-turn.ts';
import type { Kernel } from '../kernel/registry.ts';
import { currentConsole } from './console/console.ts';
import { reason } from './console/own-standard-output.ts';

/** Repeatable. */
export const filenameArg = {
  filename: {
    type: 'string',
    alias: 'f',
    required: true,
    valueHint: 'FILE',
    description: 'manifest, or - for standard input',
  },
} as const satisfies ArgsDef;

/** Throws InvalidManifest with every fault of every document, each with file, line and column. */
export async function readResources(kernel: Kernel, files: string[], signal: AbortSignal): Promise<Resource[]> {
  const resources: Resource[] = [];
  const faults: KukeError[] = [];
  let count = 0;
  for (const file of files) {
    const documents = parseDocuments(await readText(file, signal), file === '-' ? 'stdin' : file);
    count += documents.length;
    refuseMany(count);
    for (const document of documents) {
      await othersTurn();
      try {
        resources.push(await readManifest(kernel, document.value));
      } catch (thrown) {
        if (!(thrown instanceof KukeError)) throw thrown;
        for (const error of [thrown, ...thrown.also])
          faults.push(located(error, document.locate(error.details.field ?? '')));
      }
    }
  }
  const [first, ...others] = faults;
  if (first !== undefined) throw first.with(others);
  if (resources.length === 0) throw new KukeError('InvalidManifest', `${files.join(', ')}: there is no manifest in it`);
  return resources;
}

function located(error: KukeError, where: string): KukeError {
  return new KukeError(error.code, `${where}: ${error.message}`, error.details);
}

/** A pipe that nobody writes to, or a terminal, can be waited for without end: so `signal` ends it. */
async function readText(file: string, signal: AbortSignal): Promise<string> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const bytes = await Promise.race([readBounded(file), aborted]);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new KukeError('InvalidManifest', `${file} is not text in UTF-8`);
  }
}

/** Not a byte more than a manifest may have, whatever the file says of its size: it may be /dev/zero. */
async function readBounded(file: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    const { stdin, files } = currentConsole();
    for await (const chunk of file === '-' ? stdin() : files.read(file)) {
      size += chunk.length;
      if (size > MAX_BYTES) break;
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw new KukeError('Usage', `-f ${file}: ${reason(thrown)}`, {
      remedy: 'name a file that can be read, or - for standard input',
    });
  }
  if (size <= MAX_BYTES) return Buffer.concat(chunks);
  throw new KukeError('InvalidManifest', `${file} is larger than ${MAX_BYTES >> 20} MiB`, {
    remedy: 'divide it into several files',
  });
}
