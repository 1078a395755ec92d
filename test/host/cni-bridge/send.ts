/**
 * A program for a network namespace: sends UDP, and unless a port to send from is given TCP as well, as JSON on the command line says:
 * `[{ "to": "10.88.0.2", "port": 7, "from": "10.89.0.2", "fromPort": 9 }]`. Ends after 400 ms, whatever became of it.
 */
import { connect } from 'node:net';

export interface Sending {
  to: string;
  port: number;
  from?: string;
  fromPort?: number;
}

const sendings = JSON.parse(process.argv[2] ?? '[]') as Sending[];
for (const { to, port, from, fromPort } of sendings) {
  const hostname = from ?? (to.includes(':') ? '::' : '0.0.0.0');
  try {
    const socket = await Bun.udpSocket({ hostname, port: fromPort ?? 0, socket: { error: () => {} } });
    socket.send('x', port, to);
  } catch {} // no way there
  if (fromPort === undefined) {
    connect({ host: to, port, ...(from !== undefined && { localAddress: from }) }).on('error', () => {});
  }
}
await Bun.sleep(400);
process.exit(0);
