/** Which compression a file has, by its first bytes, and the bytes without it. */
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

const magicNumbers: { name: string; magic: number[] }[] = [
  { name: 'gzip', magic: [0x1f, 0x8b] },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68] },
];
const magicLength = Math.max(...magicNumbers.map(({ magic }) => magic.length));

/** `gzip`, `zstd`, `xz` or `bzip2`; undefined if it is none of these. */
function compressionOf(start: Uint8Array): string | undefined {
  return magicNumbers.find(({ magic }) => magic.every((byte, index) => start[index] === byte))?.name;
}

/** gzip and zstd unpacked, anything else as it is; throws on xz and bzip2, which Bun cannot read. Memory is bounded. */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const { compression, whole } = await peekCompression(source);
  if (compression === undefined) return yield* whole;
  if (compression !== 'gzip' && compression !== 'zstd') {
    throw new Error(`it is compressed with ${compression}: unpack it first (${compression} -d)`);
  }
  const unpacked = compression === 'gzip' ? createGunzip() : createZstdDecompress();
  // What goes wrong on either side is thrown by reading the result.
  pipeline(Readable.from(whole, { objectMode: false }), unpacked, () => {});
  yield* unpacked;
}

/** The compression, and the same bytes again from the start. */
export async function peekCompression(
  source: AsyncIterable<Uint8Array>,
): Promise<{ compression: string | undefined; whole: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let start: Uint8Array = new Uint8Array();
  while (start.length < magicLength) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    start = start.length === 0 ? value : Buffer.concat([start, value]);
  }
  return { compression: compressionOf(start), whole: resume(start, iterator) };
}

async function* resume(start: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield start;
  yield* { [Symbol.asyncIterator]: () => iterator };
}
