/**
 * The default seccomp profile: which system calls a container may make. The same ones as Docker's (moby/profiles, 2025), in its
 * format, so that one resolver serves it and the profiles that users bring.
 *
 * Left out of it on purpose: io_uring (escapes), keyrings, kexec, swap, userfaultfd, and what is granted below by capability.
 */
import type { SeccompProfile, SeccompRule } from './seccomp.ts';

const names = (text: string) => text.trim().split(/\s+/);
const allow = (text: string, rest: Partial<SeccompRule> = {}): SeccompRule => ({
  names: names(text),
  action: 'SCMP_ACT_ALLOW',
  ...rest,
});
const allowWith = (capability: string, text: string) => allow(text, { includes: { caps: [capability] } });
const allowOn = (arches: string[], text: string) => allow(text, { includes: { arches } });

const FILES = `
  open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 ioctl flock
  read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek readahead
  copy_file_range sendfile sendfile64 splice tee vmsplice pipe pipe2
  truncate truncate64 ftruncate ftruncate64 fallocate fadvise64 fadvise64_64
  fsync fdatasync sync syncfs sync_file_range cachestat
  stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64 statmount listmount
  access faccessat faccessat2 chmod fchmod fchmodat fchmodat2 umask
  chown chown32 fchown fchown32 lchown lchown32 fchownat utime utimes futimesat utimensat utimensat_time64
  link linkat symlink symlinkat readlink readlinkat unlink unlinkat rename renameat renameat2
  mkdir mkdirat rmdir mknod mknodat chdir fchdir getcwd getdents getdents64 name_to_handle_at
  getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr listxattrat
  setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
  io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64
  landlock_create_ruleset landlock_add_rule landlock_restrict_self`;

const MEMORY = `
  brk mmap mmap2 munmap mremap mprotect madvise msync mincore mlock mlock2 mlockall munlock munlockall mseal map_shadow_stack
  remap_file_pages memfd_create memfd_secret membarrier pkey_alloc pkey_free pkey_mprotect process_mrelease
  shmget shmat shmctl shmdt`;

const PROCESSES = `
  fork vfork execve execveat exit exit_group wait4 waitid waitpid restart_syscall
  kill tkill tgkill pidfd_open pidfd_send_signal ptrace process_vm_readv process_vm_writev uretprobe
  getpid getppid gettid getpgid getpgrp getsid setpgid setsid set_tid_address rseq
  getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32
  getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32
  setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32
  capget capset prctl seccomp get_thread_area set_thread_area get_robust_list set_robust_list
  getrlimit ugetrlimit setrlimit prlimit64 getrusage times getpriority setpriority ioprio_get ioprio_set getcpu
  sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam sched_getscheduler
  sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64
  sched_yield pause sysinfo uname getrandom riscv_hwprobe`;

const SIGNALS_AND_TIME = `
  rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
  rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn signalfd signalfd4 alarm
  time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep clock_nanosleep_time64
  adjtimex clock_adjtime clock_adjtime64 nanosleep getitimer setitimer
  timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
  timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64`;

const COMMUNICATION = `
  select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 eventfd eventfd2
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
  futex futex_time64 futex_wait futex_waitv futex_wake futex_requeue
  bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt socketcall socketpair
  send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64
  ipc msgget msgsnd msgrcv msgctl semget semop semctl semtimedop semtimedop_time64
  mq_open mq_unlink mq_getsetattr mq_notify mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64`;

// Address families by number (linux/socket.h) above 11. Named one by one, because `not equal` is got round with a 64-bit value that the
// kernel then cuts short. Not among them: AF_ALG and AF_VSOCK, which reach out of the container, and those that nobody uses any more.
const SOCKET_FAMILIES = [
  13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45,
];
// linux/personality.h: Linux, 16-bit uname, 2.6 version, both, and the query.
const PERSONALITIES = [0, 0x8, 0x20000, 0x20008, 0xffffffff];
// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET (linux/sched.h): none of them may be set.
const NAMESPACE_FLAGS = 0x7e020000;
const ENOSYS = 38;

const unlessAdmin = { excludes: { caps: ['CAP_SYS_ADMIN'] } };

export const DEFAULT_PROFILE: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    allow([FILES, MEMORY, PROCESSES, SIGNALS_AND_TIME, COMMUNICATION].join(' ')),
    allow('socket', { args: [{ index: 0, value: 12, op: 'SCMP_CMP_LT' }] }),
    ...SOCKET_FAMILIES.map(value => allow('socket', { args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] })),
    ...PERSONALITIES.map(value => allow('personality', { args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] })),
    allow('clone', {
      args: [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      ...unlessAdmin,
    }),
    // Its flags are in memory, where seccomp cannot look; on ENOSYS the C library falls back to clone.
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS, ...unlessAdmin },

    allowOn(['amd64'], 'arch_prctl modify_ldt'),
    allowOn(['arm64'], 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),

    allowWith(
      'CAP_SYS_ADMIN',
      `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
      lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname
      setns syslog umount umount2 unshare`,
    ),
    allowWith('CAP_BPF', 'bpf'),
    allowWith('CAP_DAC_READ_SEARCH', 'open_by_handle_at'),
    allowWith('CAP_PERFMON', 'perf_event_open'),
    allowWith('CAP_SYSLOG', 'syslog'),
    allowWith('CAP_SYS_BOOT', 'reboot'),
    allowWith('CAP_SYS_CHROOT', 'chroot'),
    allowWith('CAP_SYS_MODULE', 'delete_module init_module finit_module'),
    allowWith('CAP_SYS_NICE', 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node'),
    allowWith('CAP_SYS_PACCT', 'acct'),
    allowWith('CAP_SYS_PTRACE', 'kcmp pidfd_getfd process_madvise'),
    allowWith('CAP_SYS_RAWIO', 'iopl ioperm'),
    allowWith('CAP_SYS_TIME', 'settimeofday stime clock_settime clock_settime64'),
    allowWith('CAP_SYS_TTY_CONFIG', 'vhangup'),
  ],
};
