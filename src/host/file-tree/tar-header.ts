/** Headers of a tar archive (POSIX ustar, with pax records where that is not enough); modern-tar writes archives too, but holds in memory what its reader has not taken yet. */

const BLOCK = 512;
/** What eleven octal digits hold. */
const OCTAL_MAX = 8 ** 11 - 1;
const NAME_MAX = 100;

export interface TarMember {
  /** Of a folder, without the `/` at its end. */
  name: string;
  type: 'file' | 'folder' | 'symlink';
  /** Permission bits. */
  mode: number;
  /** Of its body, in bytes; 0 of what is no file. */
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  /** Of a symlink. */
  target?: string;
}

const FLAGS = { file: '0', folder: '5', symlink: '2' } as const;

/** Of root. */
export function tarHeader({ name, type, mode, size, mtime, target = '' }: TarMember): Uint8Array {
  const path = type === 'folder' ? `${name}/` : name;
  const records = [
    ...(fits(path) ? [] : [record('path', path)]),
    ...(fits(target) ? [] : [record('linkpath', target)]),
    ...(size > OCTAL_MAX ? [record('size', String(size))] : []),
  ];
  const own = block({ path: cut(path), target: cut(target), flag: FLAGS[type], mode, size, mtime });
  if (records.length === 0) return own;
  const body = Buffer.concat(records);
  const head = block({ path: 'pax', target: '', flag: 'x', mode: 0o644, size: body.length, mtime });
  return Buffer.concat([head, body, tarPadding(body.length), own]);
}

/** What follows a body, so that the next header begins at a whole block. */
export const tarPadding = (size: number): Uint8Array => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);

/** What follows the last body. */
export const tarEnd = (): Uint8Array => new Uint8Array(2 * BLOCK);

const fits = (text: string): boolean => /^[\x20-\x7e]*$/.test(text) && text.length <= NAME_MAX;

const cut = (text: string): string => text.replace(/[^\x20-\x7e]/g, '_').slice(0, NAME_MAX);

/** `LENGTH KEY=VALUE\n`, whose length counts itself. */
function record(key: string, value: string): Uint8Array {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

interface Block {
  path: string;
  target: string;
  flag: string;
  mode: number;
  size: number;
  mtime: number;
}

function block({ path, target, flag, mode, size, mtime }: Block): Uint8Array {
  const header = Buffer.alloc(BLOCK);
  const put = (at: number, text: string) => header.write(text, at, 'latin1');
  const octal = (value: number, digits: number) => `${Math.max(0, value).toString(8).padStart(digits, '0')}\0`;
  put(0, path);
  put(100, octal(mode, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(size > OCTAL_MAX ? 0 : size, 11));
  put(136, octal(Math.min(OCTAL_MAX, Math.floor(mtime)), 11));
  put(148, '        ');
  put(156, flag);
  put(157, target);
  put(257, 'ustar\x0000');
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  put(148, `${checksum.toString(8).padStart(6, '0')}\0 `);
  return header;
}
