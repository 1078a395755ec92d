/** A program for a network namespace: `answering.ts NAME PORT...` says on TCP and UDP who it is and who spoke to it. Prints `ready`. */
const [, , name, ...ports] = process.argv;

for (const port of ports.map(Number)) {
  const answer = (address: string) => `${name} ${address.replace(/^::ffff:/, '')}\n`;
  Bun.listen({
    hostname: '::',
    port,
    socket: { open: socket => void socket.end(answer(socket.remoteAddress)), data: () => {} },
  });
  await Bun.udpSocket({
    hostname: '::',
    port,
    socket: {
      data: (socket, _, from, address) => void socket.send(answer(address), from, address),
      error: () => {}, // who asked is gone
    },
  });
}
console.log('ready');

export {};
