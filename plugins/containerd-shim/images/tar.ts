/** The entries of an archive, plain or compressed, as they come by. Nothing is written by name, so no name in it can do harm. */
import type { ReadableStreamDefaultReader } from 'node:stream/web';
import { createTarDecoder } from 'modern-tar';
import { feed } from '../../../src/host/file-tree/feed.ts';
import { decompress } from './compression.ts';
import { invalidImage } from './fault.ts';
import { watchSource } from './source.ts';

export interface TarEntry {
  /** As it stands in the archive. */
  name: string;
  type: 'file' | 'link' | 'symlink' | 'other';
  /** What a link or symlink points at. */
  target: string;
  /** Of the body, in bytes. The body is that long, or reading it throws. */
  size: number;
  /** To be read before the next entry is asked for; what is left of it then is skipped. */
  body: AsyncIterable<Uint8Array>;
}

/**
 * Throws InvalidImage on what is no tar archive or ends in the middle, Cancelled (or the reason, if that is a KukeError) as soon as `signal`
 * aborts, and the source's own errors as they are.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<TarEntry, void> {
  const watched = watchSource(source, signal);
  const decoder = createTarDecoder({ strict: true });
  const fed = feed(decompress(watched), decoder.writable);
  let count = 0;
  const failure = (error: unknown) => watched.failure() ?? notAnArchive(error, count);

  async function* read(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
    } catch (error) {
      throw failure(error);
    }
  }

  try {
    for await (const { header, body } of decoder.readable) {
      count += 1;
      const reader = body.getReader();
      const type = typeOf(header.type);
      yield { name: header.name, type, target: header.linkname ?? '', size: header.size, body: read(reader) };
      await reader.cancel();
    }
    await fed;
  } catch (error) {
    throw failure(error);
  } finally {
    watched.stop();
  }
  if (count === 0) throw notAnArchive(new Error('there is nothing in it'), count);
}

function typeOf(type: string | undefined): TarEntry['type'] {
  return type === 'file' || type === 'link' || type === 'symlink' ? type : 'other';
}

function notAnArchive(error: unknown, entries: number): unknown {
  const words = error instanceof Error ? error.message : String(error);
  const fault = entries === 0 ? 'is no tar archive' : `is damaged behind its entry ${entries}`;
  return invalidImage('the archive', `${fault}: ${words}`, { cause: error });
}
