/** A port on which nobody takes connections for a while: they hang, as behind a firewall that swallows packets. */
import { connect } from 'node:net';

export interface HungListener extends AsyncDisposable {
  port: number;
  /** From now on all are taken. */
  goOn(): void;
}

// Perl, since Bun's listeners have a backlog of hundreds.
const program = `
  use Socket;
  $| = 1;
  socket(S, PF_INET, SOCK_STREAM, 0) && bind(S, sockaddr_in(0, INADDR_LOOPBACK)) && listen(S, 0) or die $!;
  print((sockaddr_in(getsockname(S)))[0], "\\n");
  <STDIN>;
  for (;;) { accept($taken[@taken], S) }`;

export async function hungListener(): Promise<HungListener> {
  const child = Bun.spawn(['perl', '-e', program], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
  const { value } = await child.stdout.getReader().read();
  const port = Number(Buffer.from(value ?? []).toString());
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await new Promise(resolve => socket.once('connect', resolve)); // that is all that the kernel keeps for it
  return {
    port,
    goOn() {
      child.stdin.write('\n');
      child.stdin.flush();
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}
