/** Large blobs: as much memory for one as for another, whatever the pace of who takes them. */
import { expect, test } from 'bun:test';
import { join } from 'node:path';

const size = 1_000_000_000;

/** A registry of one blob of zeros that it never holds; it writes as fast as the other side reads. */
function zeros() {
  const block = new Uint8Array(1 << 20);
  const write = (socket: Bun.Socket<{ left: number }>) => {
    while (socket.data.left > 0) {
      const written = socket.write(block.subarray(0, Math.min(block.length, socket.data.left)));
      if (written <= 0) return;
      socket.data.left -= written;
    }
  };
  return Bun.listen<{ left: number }>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.data = { left: 0 };
      },
      data(socket) {
        socket.data.left = size;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        write(socket);
      },
      drain: write,
      error() {},
    },
  });
}

test.each([0, 1])(
  '1 GB passes in less than 100 MB; a pause of %d ms each 2 MB',
  async pause => {
    const registry = zeros();
    const program = join(import.meta.dir, '../../registry/reading.ts');
    const child = Bun.spawn([process.execPath, program, `127.0.0.1:${registry.port}`, `${size}`, `${pause}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { read, peak } = JSON.parse(await new Response(child.stdout).text());
    registry.stop(true);
    expect(read).toBe(size);
    expect(peak).toBeLessThan(100_000);
  },
  60_000,
);
