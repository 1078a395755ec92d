import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { frameBefore, frameMessage } from '../../../../plugins/containerd-shim/grpc/framing.ts';
import { message } from '../../../../plugins/containerd-shim/grpc/message.ts';

const Write = message({ ref: [3, 'string'], offset: [5, 'int64'], data: [6, 'bytes'] });

test('what comes before the last field, and that field, are the message', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 300 }), (ref, offset, data) => {
      const before = frameBefore(Write, { ref, offset }, 'data', data);
      expect(Buffer.concat([before, data])).toEqual(Buffer.from(frameMessage(Write, { ref, offset, data })));
    }),
  );
  expect(() => frameBefore(Write, {}, 'none', new Uint8Array(1))).toThrow('no field none');
});
