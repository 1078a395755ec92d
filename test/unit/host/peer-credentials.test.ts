import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { peerCredentials } from '../../../src/host/peer-credentials.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const folder = temporaryDirectory();

test('says which process has connected, and whose it is', async () => {
  const unix = join(folder, 'a.sock');
  const seen = Promise.withResolvers<ReturnType<typeof peerCredentials>>();
  const open = (socket: object) => seen.resolve(peerCredentials(Number(Reflect.get(socket, 'fd'))));
  const server = Bun.listen({ unix, socket: { open, data() {} } });
  const script = `await Bun.connect({ unix: ${JSON.stringify(unix)}, socket: { data() {} } }); await Bun.sleep(60_000)`;
  const peer = Bun.spawn([process.execPath, '-e', script], { stdout: 'ignore', stderr: 'inherit' });
  expect(await seen.promise).toEqual({ pid: peer.pid, uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 });
  peer.kill();
  server.stop(true);
});

test('what is no socket has no peer', () => {
  expect(() => peerCredentials(2 ** 20)).toThrow('SO_PEERCRED');
});
