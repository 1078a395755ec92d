import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Container } from '../../../../plugins/containerd-shim/client/containers.ts';
import { WriteContentRequest } from '../../../../plugins/containerd-shim/client/content.ts';
import { Envelope, eventOf } from '../../../../plugins/containerd-shim/client/events.ts';
import { Image } from '../../../../plugins/containerd-shim/client/images.ts';
import { runcOptions } from '../../../../plugins/containerd-shim/client/runtime-types.ts';
import { SnapshotInfo } from '../../../../plugins/containerd-shim/client/snapshots.ts';
import { CreateTaskRequest, Process } from '../../../../plugins/containerd-shim/client/tasks.ts';
import { Empty, FieldMask } from '../../../../plugins/containerd-shim/grpc/any.ts';
import { decode, encode } from '../../../../plugins/containerd-shim/grpc/codec.ts';
import {
  always,
  enumeration,
  type Init,
  type Message,
  type MessageType,
  map,
  message,
  repeated,
} from '../../../../plugins/containerd-shim/grpc/message.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const plain = (value: unknown) => structuredClone(value);

/** The same bytes both ways; `decoded` where it has more than `init` says (defaults). */
function same<T extends MessageType>(type: T, init: Init<T>, encoded: string, decoded: unknown = init): void {
  expect(hex(encode(type, init))).toBe(encoded);
  expect(plain(decode(type, bytes(encoded)))).toEqual(decoded);
}

const Child = message({ negative: [5, 'int32'], list: [13, repeated(Empty)], text: [2047, 'string'] });
const Kind = enumeration('A', 'B', 'C');
const Everything = message({
  numbers: [1, repeated('uint32')],
  longs: [2, repeated('int64')],
  flags: [3, repeated('bool')],
  kinds: [4, repeated(Kind)],
  negative: [5, 'int32'],
  big: [6, 'int64'],
  ubig: [7, 'uint64'],
  child: [8, Child],
  children: [9, map(Child)],
  data: [10, 'bytes'],
  words: [12, repeated('string')],
  kind: [16, Kind],
});

// The expected bytes were made by `protoc --encode` (3.21), the containerd messages with the protos of containerd 1.6.
describe("protoc's bytes", () => {
  test('every type of field', () => {
    same(
      Everything,
      {
        numbers: [1, 300, 0],
        longs: [-1, Number.MAX_SAFE_INTEGER],
        flags: [true, false],
        kinds: ['C', 'A'],
        negative: -5,
        big: Number.MIN_SAFE_INTEGER,
        ubig: Number.MAX_SAFE_INTEGER,
        child: { negative: 0, text: 'ü', list: [] },
        children: { k: { negative: 2147483647, text: '', list: [] } },
        data: Uint8Array.of(0, 255),
        words: ['', 'y'],
        kind: 'B',
      },
      '0a0401ac02001212ffffffffffffffffff01ffffffffffffff0f1a0201002202020028fbffffffffffffffff013081808080808080f0ff01' +
        '38ffffffffffffff0f4205fa7f02c3bc4a0b0a016b120628ffffffff07520200ff6200620179800101',
    );
  });

  test('UpdateImageRequest: maps, timestamps, a field mask', () => {
    const UpdateImageRequest = message({ image: [1, Image], updateMask: [2, FieldMask] });
    const image = {
      name: 'docker.io/library/busybox:latest',
      labels: { a: '', 'io.kuke': 'é' },
      target: {
        mediaType: 'application/vnd.oci.image.index.v1+json',
        digest: 'sha256:00',
        size: 5_000_000_000,
        annotations: { x: 'y' },
      },
      createdAt: new Date(1_700_000_000_123),
      updatedAt: new Date('0001-01-01T00:00:00Z'),
    };
    const updateMask = { paths: ['labels.a', 'target'] };
    const encoded =
      '0a96010a20646f636b65722e696f2f6c6962726172792f62757379626f783a6c617465737412050a01611200120d0a07696f2e6b756b65' +
      '1202c3a91a420a276170706c69636174696f6e2f766e642e6f63692e696d6167652e696e6465782e76312b6a736f6e1209736861323536' +
      '3a30301880e497d0122a060a01781201793a0b0880e2cfaa0610c0a9d33a420b088092b8c398feffffff0112120a086c6162656c732e61' +
      '0a06746172676574';
    // Go's zero time is no time.
    same(UpdateImageRequest, { image, updateMask }, encoded, { image: { ...image, updatedAt: undefined }, updateMask });
  });

  test('CreateTaskRequest: repeated messages, Any', () => {
    const rootfs = [
      { type: 'overlay', source: 'overlay', target: '', options: ['lowerdir=/a', 'upperdir=/b'] },
      { type: 'bind', source: '', target: '/x', options: [] },
    ];
    const request = {
      containerId: 'web',
      rootfs,
      stdout: 'file:///var/log/x',
      terminal: true,
      options: { typeUrl: 'containerd.runc.v1.Options', value: bytes('4a046372756e') },
    };
    const encoded =
      '0a037765621a2c0a076f7665726c617912076f7665726c6179220b6c6f7765726469723d2f61220b75707065726469723d2f621a0a0a04' +
      '62696e641a022f782a1166696c653a2f2f2f7661722f6c6f672f7838014a240a1a636f6e7461696e6572642e72756e632e76312e4f7074' +
      '696f6e7312064a046372756e';
    const rest = { stdin: '', stderr: '', runtimePath: '', checkpoint: undefined };
    same(CreateTaskRequest, request, encoded, { ...request, ...rest });
  });

  test('Container: a map of Any', () => {
    const container = {
      id: 'c',
      labels: { l: 'v' },
      runtime: { name: 'io.containerd.runc.v2', options: { typeUrl: 't', value: new Uint8Array() } },
      spec: { typeUrl: 's', value: Buffer.from('{}') },
      snapshotter: 'overlayfs',
      snapshotKey: 'k',
      extensions: { e: { typeUrl: 'u', value: Uint8Array.of(1) } },
    };
    const encoded =
      '0a4d0a016312060a016c120176221c0a15696f2e636f6e7461696e6572642e72756e632e763212030a01742a070a017312027b7d32096f' +
      '7665726c617966733a016b520b0a016512060a0175120101';
    const rest = { image: '', sandbox: '', createdAt: undefined, updatedAt: undefined };
    same(message({ container: [1, Container] }), { container }, encoded, {
      container: { ...container, spec: { typeUrl: 's', value: new Uint8Array(Buffer.from('{}')) }, ...rest },
    });
  });

  test('WriteContentRequest: an enum, bytes', () => {
    same(
      WriteContentRequest,
      {
        action: 'COMMIT',
        ref: 'r',
        total: 3,
        expected: 'sha256:ab',
        offset: 3,
        data: new Uint8Array(Buffer.from('abc')),
        labels: { k: 'v' },
      },
      '0802120172180322097368613235363a6162280332036162633a060a016b120176',
    );
  });

  test('Process: numbers up to 2^32-1', () => {
    same(
      message({ process: [1, Process] }),
      {
        process: {
          containerId: 'c',
          id: 'c',
          pid: 4_294_967_295,
          status: 'STOPPED',
          stdin: '',
          stdout: '',
          stderr: '',
          terminal: false,
          exitStatus: 137,
          exitedAt: new Date(1_700_000_000_999),
        },
      },
      '0a1f0a016312016318ffffffff0f2003488901520c0880e2cfaa0610c08faedc03',
    );
  });

  test('an event in its envelope', () => {
    const envelope = decode(
      Envelope,
      bytes(
        '0a02080112016e1a0b2f7461736b732f6578697422210a1a636f6e7461696e6572642e6576656e74732e5461736b4578697412030a0163',
      ),
    );
    expect(envelope).toMatchObject({ timestamp: new Date(1000), namespace: 'n', topic: '/tasks/exit' });
    expect(eventOf(envelope)).toEqual({
      type: 'containerd.events.TaskExit',
      containerId: 'c',
      id: '',
      pid: 0,
      exitStatus: 0,
      exitedAt: undefined,
    });
  });

  test('options of the runc shim', () => {
    expect(hex(runcOptions({ binaryName: 'crun', systemdCgroup: true }).value)).toBe('32046372756e4801');
  });
});

describe('reading', () => {
  test('an empty message has all its fields', () => {
    expect(plain(decode(Everything, new Uint8Array()))).toEqual({
      numbers: [],
      longs: [],
      flags: [],
      kinds: [],
      negative: 0,
      big: 0,
      ubig: 0,
      child: undefined,
      children: {},
      data: new Uint8Array(),
      words: [],
      kind: 'A',
    });
  });

  test('a label called __proto__ is a label', () => {
    const { info } = decode(
      message({ info: [1, SnapshotInfo] }),
      bytes('0a150a016e1803320e0a095f5f70726f746f5f5f120178'),
    );
    expect(Object.entries(info?.labels ?? {})).toEqual([['__proto__', 'x']]);
  });

  test('unknown fields, unpacked numbers, wire types that do not fit, unknown enum numbers', () => {
    // 1: 7 unpacked; 5: as a string, so unknown; 99: fixed64, unknown; 100: fixed32, unknown; 16: enum 9; 12: "w"
    const encoded = '0807' + '2a0161' + '99060000000000000000' + 'a50600000000' + '800109' + '620177';
    expect(decode(Everything, bytes(encoded))).toMatchObject({ numbers: [7], negative: 0, kind: 'A', words: ['w'] });
  });

  test('the last of a repeated scalar counts, the parts of a repeated message merge', () => {
    const Outer = message({
      child: [1, message({ a: [1, 'string'], b: [2, 'string'], words: [3, repeated('string')] })],
    });
    const encoded = '0a060a01781a0179' + '0a09' + '0a017a' + '120177' + '1a0176';
    expect(decode(Outer, bytes(encoded))).toEqual({ child: { a: 'z', b: 'w', words: ['y', 'v'] } });
  });

  test('a map entry without key or value has the defaults', () => {
    const Maps = message({
      words: [1, map('string')],
      kinds: [2, map(Kind)],
      children: [3, map(message({ a: [1, 'bool'] }))],
    });
    expect(plain(decode(Maps, bytes('0a03120161' + '1200' + '1a030a016b')))).toEqual({
      words: { '': 'a' },
      kinds: { '': 'A' },
      children: { k: { a: false } },
    });
  });

  test('a number above 2^53 is an error, not another number', () => {
    const Big = message({ size: [1, 'uint64'] });
    expect(() => decode(Big, bytes('08ffffffffffffffffff01'))).toThrow('2^53');
    expect(() => encode(Big, { size: 2 ** 53 })).toThrow('size: 9007199254740992 is not an integer below 2^53');
  });

  test('whatever bytes come, it ends', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), input => {
        try {
          decode(Everything, input);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a length beyond the end is an error', () => {
    expect(() => decode(Everything, bytes('427f'))).toThrow();
    expect(() => decode(Everything, bytes('0a7f01'))).toThrow();
    expect(() => decode(Everything, bytes('4a050a7f'))).toThrow();
  });
});

test('what is always written is there when it was left out, and when it is not received', () => {
  expect(hex(encode(Image, { name: 'a' }))).toBe('0a0161' + '1a00');
  expect(plain(decode(Image, bytes('0a0161')).target)).toEqual({ mediaType: '', digest: '', size: 0, annotations: {} });
  const Deep = message({ image: [1, always(Image)] });
  expect(hex(encode(Deep, {}))).toBe('0a02' + '1a00');
});

test('writing says which field is wrong', () => {
  expect(() => encode(Everything, { child: { negative: 1.5 } })).toThrow(/^child: negative: /);
  expect(() => encode(Everything, { kind: 'D' as 'C' })).toThrow('kind: D is none of A, B, C');
});

test('any message is read back as it was written', () => {
  const child = fc.record({
    negative: fc.integer(),
    text: fc.string({ unit: 'grapheme' }),
    list: fc.constant<never[]>([]),
  });
  const everything: fc.Arbitrary<Message<typeof Everything>> = fc.record({
    numbers: fc.array(fc.nat(2 ** 32 - 1)),
    longs: fc.array(fc.maxSafeInteger()),
    flags: fc.array(fc.boolean()),
    kinds: fc.array(fc.constantFrom('A', 'B', 'C')),
    negative: fc.integer(),
    big: fc.maxSafeInteger(),
    ubig: fc.maxSafeNat(),
    child: fc.option(child, { nil: undefined }),
    children: fc.dictionary(fc.string({ unit: 'grapheme' }), child),
    data: fc.uint8Array(),
    words: fc.array(fc.string({ unit: 'grapheme' })),
    kind: fc.constantFrom('A', 'B', 'C'),
  });
  fc.assert(
    fc.property(everything, value => {
      const decoded = decode(Everything, encode(Everything, value));
      expect(plain({ ...decoded, children: Object.entries(decoded.children) })).toEqual({
        ...value,
        children: Object.entries(value.children),
      });
    }),
  );
});

test('any time is read back to the millisecond', () => {
  const Time = message({ at: [1, 'timestamp'] });
  fc.assert(
    fc.property(fc.date({ noInvalidDate: true, min: new Date('0001-01-02'), max: new Date('9999-12-31') }), at => {
      expect(decode(Time, encode(Time, { at }))).toEqual({ at });
    }),
  );
  expect(() => encode(Time, { at: new Date(Number.NaN) })).toThrow('at: ');
});
