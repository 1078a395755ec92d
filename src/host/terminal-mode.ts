/** The modes of a terminal (termios(3)). */
import { ptr } from 'bun:ffi';
import { checked, libc } from './libc.ts';

const TIOCGWINSZ = 0x5413; // ioctl_tty(2)
const STRUCT_TERMIOS = 64; // 60 bytes on x86-64 and arm64, in glibc and musl
const TCSANOW = 0;

/**
 * Every byte comes and goes as it is, Ctrl-C too: what Bun's own setRawMode leaves on (ONLCR) spoils the screen of full-screen programs.
 * Returns what puts back the modes as they were, which the end of this process does too. Throws SystemError, ENOTTY for what is no terminal.
 */
export function rawTerminal(fd: number): () => void {
  const before = new Uint8Array(STRUCT_TERMIOS);
  checked('tcgetattr', libc().tcgetattr(fd, before), `fd ${fd}`);
  const raw = before.slice();
  libc().cfmakeraw(raw);
  checked('tcsetattr', libc().tcsetattr(fd, TCSANOW, raw), `fd ${fd}`);
  const restore = () => {
    process.off('exit', restore);
    libc().tcsetattr(fd, TCSANOW, before); // one that is gone meanwhile needs no modes
  };
  process.on('exit', restore);
  return restore;
}

/** Its size in characters; 80 by 24 for one that has none. Throws SystemError, ENOTTY for what is no terminal. */
export function terminalSize(fd: number): { columns: number; rows: number } {
  const [rows, columns] = sizeOf(fd);
  return { columns: columns || 80, rows: rows || 24 };
}

function sizeOf(fd: number): Uint16Array {
  const size = new Uint16Array(4); // struct winsize {ws_row, ws_col, ws_xpixel, ws_ypixel}
  checked('ioctl', libc().ioctl(fd, TIOCGWINSZ, ptr(size)), `fd ${fd}`);
  return size;
}
