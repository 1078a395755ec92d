/** A program for a network namespace: `flood.ts ADDRESS PORT` sends UDP all the time until it is told to stop by a line, and says how much. */
const [, , hostname = '', port] = process.argv;

const MOST = 5_000_000;
const socket = await Bun.udpSocket({ connect: { hostname, port: Number(port) }, socket: { error: () => {} } });
const burst = Array.from({ length: 32 }, () => 'x');
let sent = 0;
let isStopped = false;
const stop = async () => {
  for await (const _ of console) break;
  isStopped = true;
};
void stop();
console.log('ready');
while (!isStopped && sent < MOST) {
  sent += socket.sendMany(burst);
  await Bun.sleep(1);
}
await Bun.write(Bun.stdout, isStopped ? `sent ${sent}\n` : 'sent all that it may\n');
process.exit(0);

export {};
