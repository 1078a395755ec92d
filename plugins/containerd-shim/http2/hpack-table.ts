/** HPACK's tables of header fields (RFC 7541 §2.3): the static one, and the dynamic one of a connection's receiving side. */
import { Http2Error } from './errors.ts';

export type HeaderField = readonly [name: string, value: string];

// Appendix A, from index 1; a name, then a space and a value if it has one.
const STATIC = `
:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204
:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate
accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control
content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type
cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since
last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after
server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`;

/** SETTINGS_HEADER_TABLE_SIZE; we leave it at its default. */
const MAX_SIZE = 4096;
const ENTRY_OVERHEAD = 32;

let staticFields: HeaderField[] | undefined;

function parseStatic(): HeaderField[] {
  return STATIC.trim()
    .split(/[|\n]/)
    .map(entry => {
      const [name = '', ...value] = entry.split(' ');
      return [name, value.join(' ')] as const;
    });
}

export class HeaderTable {
  /** Newest first. */
  #fields: HeaderField[] = [];
  #size = 0;
  #limit = MAX_SIZE;

  /** `index` counts from 1, through the static table and on into the dynamic one. Throws COMPRESSION_ERROR. */
  get(index: number): HeaderField {
    staticFields ??= parseStatic();
    const field = index > staticFields.length ? this.#fields[index - staticFields.length - 1] : staticFields[index - 1];
    if (field === undefined) throw new Http2Error('COMPRESSION_ERROR', `no header field at index ${index}`);
    return field;
  }

  /** Makes room first; a field larger than the table empties it and is not kept (RFC 7541 §4.4). */
  add(field: HeaderField): void {
    this.#fields.unshift(field);
    this.#size += sizeOf(field);
    this.#evict();
  }

  /** The peer's choice of size, up to what we allow. */
  resize(limit: number): void {
    if (limit > MAX_SIZE) throw new Http2Error('COMPRESSION_ERROR', `a header table of ${limit} octets`);
    this.#limit = limit;
    this.#evict();
  }

  #evict(): void {
    while (this.#size > this.#limit) {
      const oldest = this.#fields.pop();
      if (oldest !== undefined) this.#size -= sizeOf(oldest);
    }
  }
}

/** In the octets that RFC 7541 §4.1 counts. */
export function sizeOf([name, value]: HeaderField): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}
