import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { encodeHeaders, HpackDecoder } from '../../../../plugins/containerd-shim/http2/hpack.ts';

function decodeAll(...blocks: string[]): [string, string][][] {
  const decoder = new HpackDecoder();
  return blocks.map(block => [...decoder.decode(Buffer.from(block.replace(/\s/g, ''), 'hex'))]);
}

const DATE_21 = 'Mon, 21 Oct 2013 20:13:21 GMT';
const DATE_22 = 'Mon, 21 Oct 2013 20:13:22 GMT';
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';

describe('RFC 7541, appendix C', () => {
  test('C.2: the ways to write a field', () => {
    expect(decodeAll('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572')).toEqual([
      [['custom-key', 'custom-header']],
    ]);
    expect(decodeAll('040c 2f73 616d 706c 652f 7061 7468')).toEqual([[[':path', '/sample/path']]]);
    expect(decodeAll('1008 7061 7373 776f 7264 0673 6563 7265 74')).toEqual([[['password', 'secret']]]);
    expect(decodeAll('82')).toEqual([[[':method', 'GET']]]);
  });

  const requests: [string, string][][] = [
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ],
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
      ['cache-control', 'no-cache'],
    ],
    [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ],
  ];

  test('C.3: requests, without Huffman', () => {
    expect(
      decodeAll(
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ),
    ).toEqual(requests);
  });

  test('C.4: requests, with Huffman', () => {
    expect(
      decodeAll(
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ),
    ).toEqual(requests);
  });

  // The table of 256 octets that C.5 and C.6 assume, as a size update in front.
  const TABLE_OF_256 = '3fe1 01';
  // Indexes 62 to 64, then 65: what is left in the table after the third response, and nothing more.
  const LEFT = 'be bf c0';
  const responses: [string, string][][] = [
    [
      [':status', '302'],
      ['cache-control', 'private'],
      ['date', DATE_21],
      ['location', 'https://www.example.com'],
    ],
    [
      [':status', '307'],
      ['cache-control', 'private'],
      ['date', DATE_21],
      ['location', 'https://www.example.com'],
    ],
    [
      [':status', '200'],
      ['cache-control', 'private'],
      ['date', DATE_22],
      ['location', 'https://www.example.com'],
      ['content-encoding', 'gzip'],
      ['set-cookie', COOKIE],
    ],
    [
      ['set-cookie', COOKIE],
      ['content-encoding', 'gzip'],
      ['date', DATE_22],
    ],
  ];

  test('C.5: responses, without Huffman, with evictions', () => {
    const blocks = [
      `${TABLE_OF_256} 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133
       3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
       6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
       2076 6572 7369 6f6e 3d31`,
    ];
    expect(decodeAll(...blocks, LEFT)).toEqual(responses);
    expect(() => decodeAll(...blocks, 'c1')).toThrow('no header field at index 65');
  });

  test('C.6: responses, with Huffman, with evictions', () => {
    const blocks = [
      `${TABLE_OF_256} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
       1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
       dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ];
    expect(decodeAll(...blocks, LEFT)).toEqual(responses);
    expect(() => decodeAll(...blocks, 'c1')).toThrow('no header field at index 65');
  });
});

describe('what a peer may not send', () => {
  const cases: [string, string, string][] = [
    ['index 0', '80', 'index 0'],
    ['an index beyond both tables', 'bf', 'index 63'],
    ['a string that goes on behind the block', '0005 6162', 'ends too early'],
    ['half a field', '0001 61', 'ends too early'],
    ['an integer without end', '7f ff ff ff ff ff ff', 'too large'],
    ['a table above our limit', '3f e2 1f', 'table of 4097'],
    ['a table size within a block', '82 20', 'size update within'],
    ['Huffman padding of eight bits', '0082 1fff 00', 'padding'],
    ['Huffman padding with zeros', '0081 18 00', 'padding'],
    ['the end-of-string symbol', '0084 ffffffff 00', 'end-of-string'],
  ];
  test.each(cases)('%s', (_, block, message) => {
    expect(() => decodeAll(block)).toThrow(message);
  });

  test('a few octets that stand for a megabyte', () => {
    // A field of 4 KB into the table (Huffman or not makes no difference), then by its index 300 times.
    const field = Buffer.concat([Buffer.from('4001617fb11e', 'hex'), Buffer.alloc(4016, 'b')]);
    const decoder = new HpackDecoder();
    expect(decoder.decode(field).get('a')).toHaveLength(4016);
    expect(decoder.decode(Buffer.alloc(200, 0xbe)).get('a')).toHaveLength(200 * 4017 - 1);
    expect(() => decoder.decode(Buffer.alloc(300, 0xbe))).toThrow('headers of more than');
  });
});

test('a symbol of every length in Huffman code', () => {
  // From appendix B, one symbol of each length that code words have.
  const words: [symbol: number, word: number, bits: number][] = [
    [0x30, 0x0, 5],
    [0x20, 0x14, 6],
    [0x3a, 0x5c, 7],
    [0x26, 0xf8, 8],
    [0x21, 0x3f8, 10],
    [0x2b, 0x7fb, 11],
    [0x23, 0xffa, 12],
    [0x00, 0x1ff8, 13],
    [0x5e, 0x3ffc, 14],
    [0x3c, 0x7ffc, 15],
    [0x5c, 0x7fff0, 19],
    [0x80, 0xfffe6, 20],
    [0x99, 0x1fffdc, 21],
    [0x81, 0x3fffd2, 22],
    [0x01, 0x7fffd8, 23],
    [0x09, 0xffffea, 24],
    [0xc7, 0x1ffffec, 25],
    [0xc0, 0x3ffffe0, 26],
    [0xcb, 0x7ffffde, 27],
    [0x02, 0xfffffe2, 28],
    [0x0a, 0x3ffffffc, 30],
  ];
  for (const [symbol, word, bits] of words) {
    const text = word.toString(2).padStart(bits, '0');
    const padded = text.padEnd(Math.ceil(bits / 8) * 8, '1');
    const octets = (padded.match(/.{8}/g) ?? []).map(octet => Number.parseInt(octet, 2));
    const headers = new HpackDecoder().decode(Buffer.of(0, 1, 0x61, 0x80 | octets.length, ...octets));
    expect(headers.get('a')).toBe(String.fromCharCode(symbol));
  }
});

test('what we encode is read back, and leaves no trace in the table', () => {
  const name = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz-:'), minLength: 1, maxLength: 40 });
  const value = fc.string({ unit: 'grapheme-ascii', maxLength: 40_000 });
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([name]) => name }), fields => {
      const decoder = new HpackDecoder();
      expect([...decoder.decode(encodeHeaders(fields))]).toEqual(fields);
      expect(() => decoder.decode(Buffer.of(0xbe))).toThrow('index 62');
    }),
  );
});

test('a repeated field is one list', () => {
  const block = encodeHeaders([
    ['warning', 'a'],
    ['warning', 'b'],
  ]);
  expect(new HpackDecoder().decode(block).get('warning')).toBe('a,b');
});
