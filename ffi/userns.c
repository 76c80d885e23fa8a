// What needs a process with a single thread, which Bun never is: making or joining a
// user namespace, and forking into a new PID namespace that belongs to it.
//
//   hold [LOCK]       makes a user namespace, says so with a byte on standard output, and
//                     stays until its standard input ends; where that is a fifo, whoever
//                     opens it holds a lock of the file LOCK (flock(2)), so that nobody
//                     finds somebody here who is about to leave
//   new SYNC EXE FLAGS ARG...
//                     makes one, says so with a byte on SYNC, waits there for a byte (by
//                     then its mappings are written), becomes root in it and runs EXE
//                     with ARG...; FLAGS of p: in a new PID namespace, whose first
//                     process's number it tells on SYNC (4 bytes); c: as a sibling of
//                     its own, and ends; else stays to end as that did; u: joins the user
//                     namespace that the descriptor behind EXE is, instead of making one;
//                     k: the next descriptor stays open as long as this does
//   join USERNS EXE ARG...
//                     joins the one that descriptor USERNS is, and runs EXE
//   enter USERNS EXE ARG...
//                     as that, in a mount namespace of its own that belongs to it
//
// SYNC, EXE and USERNS are descriptors.
#include "freestanding.h"

#if defined(__x86_64__)
enum { NR_read = 0, NR_write = 1, NR_clone = 56, NR_wait4 = 61, NR_setgroups = 116, NR_setresuid = 117, NR_setresgid = 119, NR_unshare = 272,
  NR_setns = 308, NR_execveat = 322, NR_close = 3, NR_openat = 257, NR_flock = 73, NR_ppoll = 271 };
__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call run\n");
#elif defined(__aarch64__)
enum { NR_read = 63, NR_write = 64, NR_clone = 220, NR_wait4 = 260, NR_setgroups = 159, NR_setresuid = 147, NR_setresgid = 149, NR_unshare = 97,
  NR_setns = 268, NR_execveat = 281, NR_close = 57, NR_openat = 56, NR_flock = 32, NR_ppoll = 73 };
__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl run\n");
#endif

#define CLONE_NEWNS 0x20000
#define CLONE_PARENT 0x8000
#define CLONE_NEWUSER 0x10000000
#define CLONE_NEWPID 0x20000000
#define SIGCHLD 17
#define AT_EMPTY_PATH 0x1000

static void check(long result) {
  if (result < 0) end(-result);
}

static int number(const char *s) {
  int n = 0;
  while (*s >= '0' && *s <= '9') n = n * 10 + *s++ - '0';
  return n;
}

static int has(const char *flags, char flag) {
  while (*flags) if (*flags++ == flag) return 1;
  return 0;
}

#define EPERM 1

static void become_root(void) {
  // Where a user made the namespace without help he may not let go of his groups, and nobody in it may.
  long result = call(NR_setgroups, 0, 0, 0, 0);
  if (result != -EPERM) check(result);
  check(call(NR_setresgid, 0, 0, 0, 0));
  check(call(NR_setresuid, 0, 0, 0, 0));
}

#define AT_FDCWD -100
#define O_CLOEXEC 02000000
#define LOCK_EX 2
#define POLLIN 1
#define POLLHUP 16

static int has_writers(void) {
  struct { int fd; short events, revents; } input = {0, POLLIN, 0};
  long at_once[2] = {0, 0};
  return call(NR_ppoll, &input, 1, at_once, 0) < 0 || !(input.revents & POLLHUP);
}

static _Noreturn void stay(const char *path) {
  char byte;
  for (;;) {
    while (call(NR_read, 0, &byte, 1, 0) > 0);
    long lock = path ? call(NR_openat, AT_FDCWD, path, O_CLOEXEC, 0) : -1;
    if (lock < 0 || call(NR_flock, lock, LOCK_EX, 0, 0) < 0 || !has_writers()) end(0);
    call(NR_close, lock, 0, 0, 0);
  }
}

static _Noreturn void execute(int exe, char **argv, char **envp) {
  end(-syscall6(NR_execveat, exe, (long)"", (long)argv, (long)envp, AT_EMPTY_PATH, 0));
}

__attribute__((used)) static _Noreturn void run(long *stack) {
  long argc = stack[0];
  char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
  char byte = 0;
  if (argc < 2) end(22);
  if (argv[1][0] == 'j' || argv[1][0] == 'e') {
    if (argc < 5) end(22);
    check(call(NR_setns, number(argv[2]), CLONE_NEWUSER, 0, 0));
    if (argv[1][0] == 'e') check(call(NR_unshare, CLONE_NEWNS, 0, 0, 0));
    become_root();
    call(NR_close, number(argv[2]), 0, 0, 0);
    execute(number(argv[3]), argv + 4, envp);
  }
  if (argv[1][0] == 'h') {
    check(call(NR_unshare, CLONE_NEWUSER, 0, 0, 0));
    call(NR_write, 1, &byte, 1, 0);
    stay(argc > 2 ? argv[2] : 0);
  }
  if (argc < 6) end(22);
  int sync = number(argv[2]), exe = number(argv[3]), next = exe + 1;
  int user = has(argv[4], 'u') ? next++ : -1, kept = has(argv[4], 'k') ? next : -1;
  if (user < 0) check(call(NR_unshare, CLONE_NEWUSER, 0, 0, 0));
  else check(call(NR_setns, user, CLONE_NEWUSER, 0, 0)), call(NR_close, user, 0, 0, 0);
  check(call(NR_write, sync, &byte, 1, 0));
  if (call(NR_read, sync, &byte, 1, 0) != 1) end(32); // whoever started this is gone
  become_root();
  if (!has(argv[4], 'p')) {
    call(NR_close, sync, 0, 0, 0);
    execute(exe, argv + 5, envp);
  }
  check(call(NR_unshare, CLONE_NEWPID, 0, 0, 0));
  long child = syscall6(NR_clone, SIGCHLD | (has(argv[4], 'c') ? CLONE_PARENT : 0), 0, 0, 0, 0, 0);
  check(child);
  if (child == 0) {
    call(NR_close, sync, 0, 0, 0);
    if (kept >= 0) call(NR_close, kept, 0, 0, 0);
    execute(exe, argv + 5, envp);
  }
  int pid = child, status;
  check(call(NR_write, sync, &pid, sizeof pid, 0));
  if (has(argv[4], 'c')) end(0);
  // Nothing of the container's is to be held open by this.
  for (int fd = 0; fd < 64; fd++)
    if (fd != kept) call(NR_close, fd, 0, 0, 0);
  while (call(NR_wait4, child, &status, 0, 0) != child) {
  }
  end(status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff);
}
