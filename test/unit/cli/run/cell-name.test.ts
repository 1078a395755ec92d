import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { cellNameFor } from '../../../../src/cli/run/cell-name.ts';
import { nameFault } from '../../../../src/kernel/names.ts';

const zeros = (count: number) => new Uint8Array(count);

test.each([
  ['nginx', 'nginx-bababa'],
  ['docker.io/library/nginx:alpine', 'nginx-bababa'],
  ['registry.local:5000/team/web_app.v2@sha256:0123', 'web-app-v2-bababa'],
  ['localhost:5000/x', 'x-bababa'],
  ['___', 'cell-bababa'],
])('%s runs in %s', (image, name) => {
  expect(cellNameFor(image, zeros)).toBe(name);
});

test('is a name, whatever the image', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), image => {
      expect(nameFault(cellNameFor(image))).toBeUndefined();
    }),
  );
});
