import { command } from './command.ts';
import { notAnswering, placesOf } from './daemon/own-service.ts';

const PIECE = 64 * 1024;

export default command({
  summary: 'connect standard input and output to kukeond: the other end of --host ssh://',
  examples: [['daemon stdio', 'what ssh runs on the other host']],
  args: {},
  async run(invocation) {
    const { program, signal } = invocation;
    const { socket: path } = placesOf(invocation);
    const { unixLine } = await import('../daemon/console/unix-line.ts');
    const line = await unixLine(path);
    if (line === undefined) throw notAnswering(`kukeond does not answer at ${path}`);
    const { readPiece, writeBytes } = await program.pipes();
    const over = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    let written: Promise<unknown> = Promise.resolve();
    line.open({
      received: chunk => {
        const bytes = chunk.slice();
        written = written.then(() => writeBytes(1, bytes)).then(isRead => isRead || over.resolve());
      },
      closed: () => void written.finally(over.resolve),
    });
    const passOn = async (): Promise<void> => {
      for (let piece = await readPiece(0, PIECE); piece; piece = await readPiece(0, PIECE)) line.write(piece);
      over.resolve(); // who has gone wants no answer
    };
    passOn().catch(over.resolve);
    await over.promise;
    line.close();
    return 0;
  },
});
