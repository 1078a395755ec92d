/** A tar file from a list of entries, as given: tests also make the ones that an archiver would refuse to (`../x`, links to nowhere). */

/** Content of a file, or an entry that says what it is. Modes are 0644 for files and 0755 for folders where not given. */
export type TarEntry =
  | string
  | Uint8Array
  | { content: string | Uint8Array; mode?: number; uid?: number; gid?: number }
  | { folder: true; mode?: number; uid?: number; gid?: number }
  | { symlink: string }
  | { hardlink: string };

const block = 512;

/** POSIX ustar (pax(1)); paths of at most 100 bytes, owner root, time 0. Entries in the order of the record. */
export function tar(entries: Record<string, TarEntry>): Uint8Array<ArrayBuffer> {
  const parts = Object.entries(entries).flatMap(([path, entry]) => {
    const {
      type,
      content = new Uint8Array(),
      link = '',
      mode = type === '5' ? 0o755 : 0o644,
      uid = 0,
      gid = 0,
    } = described(entry);
    const padding = new Uint8Array((block - (content.length % block)) % block);
    return [header(path, type, { size: content.length, mode, uid, gid, link }), content, padding];
  });
  return new Uint8Array(Bun.concatArrayBuffers([...parts, new Uint8Array(2 * block)]));
}

interface Described {
  /** ustar's typeflag. */
  type: '0' | '1' | '2' | '5';
  content?: Uint8Array;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
}

function described(entry: TarEntry): Described {
  if (typeof entry === 'string' || entry instanceof Uint8Array) return { type: '0', content: Buffer.from(entry) };
  if ('content' in entry) return { ...entry, type: '0', content: Buffer.from(entry.content) };
  if ('folder' in entry) return { ...entry, type: '5' };
  if ('symlink' in entry) return { type: '2', link: entry.symlink, mode: 0o777 };
  return { type: '1', link: entry.hardlink };
}

function header(
  path: string,
  type: string,
  fields: { size: number; mode: number; uid: number; gid: number; link: string },
): Uint8Array {
  const bytes = Buffer.alloc(block);
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  const put = (offset: number, length: number, value: string) => {
    if (Buffer.byteLength(value) > length)
      throw new Error(`${value}: longer than the ${length} bytes that a tar header has for it`);
    bytes.write(value, offset);
  };
  put(0, 100, path);
  put(100, 8, octal(fields.mode, 8));
  put(108, 8, octal(fields.uid, 8));
  put(116, 8, octal(fields.gid, 8));
  put(124, 12, octal(fields.size, 12));
  put(136, 12, octal(0, 12));
  put(156, 1, type);
  put(157, 100, fields.link);
  put(257, 8, 'ustar\x0000');
  bytes.fill(' ', 148, 156);
  put(
    148,
    8,
    `${bytes
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
  );
  return bytes;
}
