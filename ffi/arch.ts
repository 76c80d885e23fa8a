/**
 * System call numbers by architecture, from the kernel's
 * arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
 * The x86-64 column was run; the aarch64 one was only compiled.
 */
const NUMBERS = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  lseek: [8, 62],
  pread64: [17, 67],
  poll: [7, -1],
  ppoll: [271, 73],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  ioctl: [16, 29],
  dup3: [292, 24],
  sendmsg: [46, 211],
  recvmsg: [47, 212],
  socket: [41, 198],
  socketpair: [53, 199],
  exit_group: [231, 94],
  execve: [59, 221],
  execveat: [322, 281],
  kill: [62, 129],
  fcntl: [72, 25],
  ftruncate: [77, 46],
  fchdir: [81, 50],
  chdir: [80, 49],
  fchmod: [91, 52],
  fchown: [93, 55],
  umask: [95, 166],
  setsid: [112, 157],
  setgroups: [116, 159],
  setresuid: [117, 147],
  setresgid: [119, 149],
  capget: [125, 90],
  capset: [126, 91],
  pivot_root: [155, 41],
  prctl: [157, 167],
  chroot: [161, 51],
  mount: [165, 40],
  umount2: [166, 39],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  lsetxattr: [189, 6],
  fsetxattr: [190, 7],
  lgetxattr: [192, 9],
  getxattr: [191, 8],
  listxattr: [194, 11],
  llistxattr: [195, 12],
  fgetxattr: [193, 10],
  waitid: [247, 95],
  openat: [257, 56],
  mkdirat: [258, 34],
  mknodat: [259, 33],
  fchownat: [260, 54],
  unlinkat: [263, 35],
  renameat2: [316, 276],
  linkat: [265, 37],
  symlinkat: [266, 36],
  readlinkat: [267, 78],
  fchmodat: [268, 53],
  utimensat: [280, 88],
  unshare: [272, 97],
  signalfd4: [289, 74],
  pipe2: [293, 59],
  prlimit64: [302, 261],
  setns: [308, 268],
  memfd_create: [319, 279],
  copy_file_range: [326, 285],
  statx: [332, 291],
  pidfd_send_signal: [424, 424],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  pidfd_open: [434, 434],
  close_range: [436, 436],
  openat2: [437, 437],
  mount_setattr: [442, 442],
  fstatfs: [138, 44],
  personality: [135, 92],
  seccomp: [317, 277],
  keyctl: [250, 219],
  ioprio_set: [251, 30],
  sched_setattr: [314, 274],
  sched_setaffinity: [203, 122],
  connect: [42, 203],
  bpf: [321, 280],
  sched_setscheduler: [144, 119],
  setpriority: [141, 140],
} as const;

/** A system call that {@link syscallNumber} knows. */
export type SyscallName = keyof typeof NUMBERS;

const column = process.arch === "arm64" ? 1 : 0;

/** The number of a system call on this machine. */
export function syscallNumber(name: SyscallName): number {
  return NUMBERS[name][column];
}

/** open(2) flags that differ between the two (arch/arm64/include/uapi/asm/fcntl.h). */
export const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
export const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;
