/** A daemon's consoles on a socket, in this process, with commands of kuke on fakes; clients are processes of their own. */
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { runWith } from '../../../../src/cli/console/serve.ts';
import { type ConsolesOptions, makeConsoles } from '../../../../src/daemon/console/consoles.ts';
import { type FakeKuke, readyKuke } from '../../cli/kuke-on-fakes.ts';

const client = join(import.meta.dir, 'client.ts');

export interface Served extends AsyncDisposable {
  fake: FakeKuke;
  socket: string;
  /** What a client is started with, before the words of its command line. */
  command: string[];
  count(): number;
  stop(): Promise<void>;
  run(argv: string[], options?: RunOptions): Promise<{ status: number; stdout: string; stderr: string }>;
}

export interface RunOptions {
  stdin?: string;
  cwd?: string;
  env?: Record<string, string>;
}

/** `uids`: whose the consoles are, in their order; then root's. */
export async function serveConsoles({
  uids = [],
  ...options
}: Partial<ConsolesOptions> & { uids?: number[] } = {}): Promise<Served> {
  const fake = await readyKuke();
  const own = { KUKE_RUN_PATH: fake.runPath, KUKE_CONFIG: fake.file('kuke.yaml', '') };
  const consoles = makeConsoles({ run: runWith(fake.program, own), ...options });
  const server = http.createServer((_, answer) => answer.writeHead(404).end());
  server.on('upgrade', (_, socket, head) => consoles.serve(socket, head, { uid: uids.shift() ?? 0, gid: 0, pid: 1 }));
  const listener = net.createServer(socket => void server.emit('connection', socket));
  const socket = fake.file('kukeond.sock', '');
  (await import('node:fs')).rmSync(socket);
  await new Promise<void>(resolve => listener.listen(socket, resolve));
  const command = [process.execPath, client, socket];
  return {
    fake,
    socket,
    command,
    count: () => consoles.count,
    stop: () => consoles.stop(),
    async run(argv, { stdin, cwd, env = {} } = {}) {
      const { PATH = '' } = process.env;
      const program = Bun.spawn([...command, ...argv], {
        stdin: stdin === undefined ? 'ignore' : Buffer.from(stdin),
        stdout: 'pipe',
        stderr: 'pipe',
        env: { PATH, ...env },
        ...(cwd !== undefined && { cwd }),
      });
      const [stdout, stderr, status] = await Promise.all([
        program.stdout.text(),
        program.stderr.text(),
        program.exited,
      ]);
      return { status, stdout, stderr };
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      server.closeAllConnections();
      await consoles.stop();
      fake.remove();
    },
  };
}
