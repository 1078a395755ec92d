import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { inPiecesOf } from '../../../../plugins/containerd-shim/images/pieces.ts';
import { tarEnd, tarHeader, tarPadding } from '../../../../src/host/file-tree/tar-header.ts';

test('any crumbs come in pieces of one size, and whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 50 })),
      fc.integer({ min: 1, max: 40 }),
      async (crumbs, size) => {
        const pieces: Buffer[] = [];
        for await (const piece of inPiecesOf(size, crumbs)) pieces.push(Buffer.from(piece));
        expect(Buffer.concat(pieces)).toEqual(Buffer.concat(crumbs));
        for (const piece of pieces.slice(0, -1)) expect(piece.length).toBe(size);
        expect(pieces.at(-1)?.length).not.toBe(0);
      },
    ),
  );
});

const headerOf = (name: string, size: number) => tarHeader({ name, type: 'file', mode: 0o644, size, mtime: 0 });

test('an archive that tar(1) reads, also of a file larger than eight gigabytes', () => {
  const files = { 'blobs/one': 'hello', 'blobs/two': 'x'.repeat(512), empty: '' };
  const parts = Object.entries(files).flatMap(([name, text]) => {
    const bytes = Buffer.from(text);
    return [headerOf(name, bytes.length), bytes, tarPadding(bytes.length)];
  });
  const stdin = Buffer.concat([...parts, tarEnd()]);
  const listed = Bun.spawnSync(['tar', '--list', '--verbose', '--numeric-owner', '--full-time', '--utc'], { stdin });
  expect(listed.stderr.toString()).toBe('');
  expect(listed.stdout.toString().trim().split('\n')).toEqual([
    expect.stringMatching(/^-rw-r--r-- 0\/0 +5 1970-01-01 00:00:00 blobs\/one$/),
    expect.stringMatching(/^-rw-r--r-- 0\/0 +512 1970-01-01 00:00:00 blobs\/two$/),
    expect.stringMatching(/^-rw-r--r-- 0\/0 +0 1970-01-01 00:00:00 empty$/),
  ]);
  const huge = Bun.spawnSync(['tar', '--list', '--verbose'], { stdin: headerOf('huge', 9_876_543_210) });
  expect(huge.stdout.toString()).toContain(' 9876543210 ');
});
