/** Decoding of HPACK's Huffman code (RFC 7541 §5.2, appendix B). */
import { Http2Error } from './errors.ts';

// The code is canonical (within a length, codes rise with the symbols), so the lengths define it: one digit in base 36 for
// each symbol from 0 to 255, and one for EOS.
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu';
const EOS = 256;
const LONGEST = 30;

/** `symbols` in the order of their codes; `counts[n]` is how many of them have a code of n bits. */
let code: { symbols: number[]; counts: number[] } | undefined;

/** Throws COMPRESSION_ERROR on EOS within a string, and on padding of more than 7 bits or other than ones. */
export function decodeHuffman(bytes: Uint8Array): string {
  code ??= canonicalCode();
  const { symbols, counts } = code;
  let text = '';
  // The code word so far, its length, the first code of that length, and how many symbols have shorter codes.
  let word = 0;
  let length = 0;
  let first = 0;
  let shorter = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    word = (word << 1) | (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);
    length++;
    first <<= 1;
    const count = counts[length] ?? 0;
    if (word - first < count) {
      const symbol = symbols[shorter + word - first] ?? EOS;
      if (symbol === EOS) throw new Http2Error('COMPRESSION_ERROR', 'end-of-string symbol in a Huffman string');
      text += String.fromCharCode(symbol);
      word = length = first = shorter = 0;
    } else {
      first += count;
      shorter += count;
    }
  }
  if (length > 7 || word !== (1 << length) - 1) {
    throw new Http2Error('COMPRESSION_ERROR', 'a Huffman string with illegal padding');
  }
  return text;
}

function canonicalCode() {
  const lengths = Array.from(LENGTHS, digit => Number.parseInt(digit, 36));
  const symbols = lengths.map((_, symbol) => symbol).sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  const counts = new Array<number>(LONGEST + 1).fill(0);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  return { symbols, counts };
}
