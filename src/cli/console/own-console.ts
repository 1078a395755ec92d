/** The console of a `kuke` that runs in a process of its own: that process's. Nothing here touches process.stdout, which costs 12 ms. */
import fs from 'node:fs';
import { isatty, WriteStream } from 'node:tty';
import { look } from '../../daemon/console/look.ts';
import { asKukeError } from '../../kernel/errors.ts';
import { leftOut } from '../cp/left-out.ts';
import type { Console } from './console.ts';
import { ownOutput } from './own-standard-output.ts';

export const ownConsole: Console = {
  env: process.env,
  cwd: () => process.cwd(),
  isTerminal: fd => isatty(fd),
  // A stream knows the size that was when it was made.
  size(fd) {
    const [columns, rows] = new WriteStream(fd).getWindowSize();
    return { columns: columns || 80, rows: rows || 24 };
  },
  output: ownOutput,
  tell(text) {
    try {
      fs.writeSync(2, text);
    } catch {}
  },
  stdin: () => Bun.stdin.stream(),
  keys({ key, ended }) {
    process.stdin.setRawMode(true);
    process.stdin.on('data', key);
    process.stdin.on('end', ended);
    return () => {
      process.stdin.off('data', key);
      process.stdin.off('end', ended);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    };
  },
  files: {
    look: async path => look(path),
    read: path => fs.createReadStream(path),
    async *pack(path, name, program) {
      yield* (await program.fileTrees()).packPath(path, name, leftOut);
    },
    unpack: async (path, isFolder, archive, program) =>
      (await program.fileTrees()).unpackTo(path, isFolder, archive, leftOut),
    save: async (path, archive, program) =>
      (await import('../output/archive-file.ts')).saveFile(path, archive, program),
  },
  async streams(program) {
    const streams = await program.streams();
    // A disk that is full is no bug of ours.
    const failed = (thrown: unknown): never => {
      throw asKukeError(thrown);
    };
    return { ...streams, writeBytes: (fd, bytes) => streams.writeBytes(fd, bytes).catch(failed) };
  },
  readerGone: async (program, signal) => (await program.streams()).hungUp(1, signal),
  descriptors: async () => ({ stdin: 0, stdout: 1, stderr: 2, close: async () => {} }),
  on: (signal, listener) => void process.on(signal, listener),
  off: (signal, listener) => void process.off(signal, listener),
  take(signal, listener) {
    process.removeAllListeners(signal);
    process.on(signal, listener);
  },
  exit: code => process.exit(code),
  colours: 'auto',
  isVerbose: false,
};
