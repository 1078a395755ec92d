/** Headers of a tar archive (POSIX ustar); modern-tar writes archives too, but holds in memory what its reader has not taken yet. */

const blockSize = 512;
/** What eleven octal digits hold; beyond, GNU's base-256. */
const octalMax = 8 ** 11 - 1;

/** Of a plain file of root, `name` at most 100 bytes of ASCII. */
export function tarHeader(name: string, size: number): Uint8Array {
  const header = Buffer.alloc(blockSize);
  const put = (at: number, text: string) => header.write(text, at, 'latin1');
  put(0, name);
  put(100, '0000644\0');
  put(108, '0000000\0');
  put(116, '0000000\0');
  if (size <= octalMax) put(124, `${size.toString(8).padStart(11, '0')}\0`);
  else {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  put(136, '00000000000\0');
  put(148, '        ');
  put(156, '0');
  put(257, 'ustar\x0000');
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  put(148, `${checksum.toString(8).padStart(6, '0')}\0 `);
  return header;
}

/** What follows a body, so that the next header begins at a whole block. */
export const tarPadding = (size: number): Uint8Array => new Uint8Array((blockSize - (size % blockSize)) % blockSize);

/** What follows the last body. */
export const tarEnd = (): Uint8Array => new Uint8Array(2 * blockSize);
