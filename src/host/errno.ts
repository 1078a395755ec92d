/** Errors of system calls, in the kernel's words. */

// Index = errno(3) of Linux' asm-generic tables, which x86-64 and arm64 share; '-' marks a number that is not in use.
const NAMES =
  `- EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST
  EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK
  ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE
  EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM
  EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART
  ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP
  EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN
  ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM
  ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD
  ENOTRECOVERABLE ERFKILL EHWPOISON`.split(/\s+/);

/** The number of an errno name: `errnoOf('ENOENT')` is 2. An unknown name is a bug of the caller's and throws. */
export function errnoOf(code: string): number {
  const number = NAMES.indexOf(code);
  if (number < 1) throw new RangeError(`no such errno: ${code}`);
  return number;
}

/** The name of an errno: `errnoName(2)` is `ENOENT`; a number without a name is `E<number>`. */
export function errnoName(errno: number): string {
  const name = NAMES[errno];
  return name === undefined || name === '-' ? `E${errno}` : name;
}

/** A system call that failed. `errno` is positive, as in errno(3); `text` is the kernel's word for it (strerror(3)). */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly errno: number;
  readonly code: string;
  readonly syscall: string;

  /** `detail` is what the call was about (a path, a peer) or what else the kernel said of it (netlink's extended ack). */
  constructor(syscall: string, errno: number, text: string, detail = '') {
    const code = errnoName(errno);
    super(`${syscall}${detail === '' ? '' : ` ${detail}`}: ${text} (${code})`);
    this.errno = errno;
    this.code = code;
    this.syscall = syscall;
  }
}

/** Whether `error`, a SystemError or one of node:fs, carries one of these codes: `hasCode(error, 'ENOENT', 'ENOTDIR')`. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}
