/**
 * A program for a network namespace: says on TCP and UDP, port 7, from which address it was spoken to. It listens on the addresses that
 * it is given, else on all (where UDP is answered from whichever address is next to the asker). Prints `ready`.
 */
const [, , ...addresses] = process.argv;

for (const hostname of addresses.length === 0 ? ['::'] : addresses) {
  Bun.listen({
    hostname,
    port: 7,
    socket: { open: socket => void socket.end(`${socket.remoteAddress}\n`), data: () => {} },
  });
  await Bun.udpSocket({
    hostname,
    port: 7,
    socket: {
      data: (socket, _, port, address) => void socket.send(`${address}\n`, port, address),
      error: () => {}, // who asked is gone
    },
  });
}
console.log('ready');

export {};
