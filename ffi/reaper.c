// PID 1 of a container that asked for --init: starts the command, hands on signals,
// reaps whatever is orphaned, ends as the command did. A program of its own of a few
// kilobytes, because it stays for as long as the container lives.
//
// Arguments: the command's file, then its argv; none for a pod's pause container.
#include "freestanding.h"

#if defined(__x86_64__)
enum { NR_write = 1, NR_rt_sigprocmask = 14, NR_ioctl = 16, NR_getpid = 39, NR_clone = 56, NR_execve = 59, NR_wait4 = 61, NR_kill = 62, NR_setpgid = 109,
  NR_rt_sigtimedwait = 128 };
__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call reap\n");
#elif defined(__aarch64__)
enum { NR_write = 64, NR_rt_sigprocmask = 135, NR_ioctl = 29, NR_getpid = 172, NR_clone = 220, NR_execve = 221, NR_wait4 = 260, NR_kill = 129, NR_setpgid = 154,
  NR_rt_sigtimedwait = 137 };
__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl reap\n");
#endif

#define SIGINT 2
#define SIGQUIT 3
#define SIGTERM 15
#define SIGCHLD 17
#define SIG_SETMASK 2
#define WNOHANG 1
#define TIOCSPGRP 0x5410
#define ENOENT 2

// Without a command it holds the namespaces of a pod, and reaps, until it is told to end.
static _Noreturn void pause_until_told(unsigned long *all) {
  for (;;) {
    long signal = call(NR_rt_sigtimedwait, all, 0, 0, 8);
    if (signal == SIGTERM || signal == SIGINT || signal == SIGQUIT) end(0);
    while (call(NR_wait4, -1, 0, WNOHANG, 0) > 0);
  }
}

__attribute__((used)) static _Noreturn void reap(long *stack) {
  long argc = stack[0];
  char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
  unsigned long all = ~0ul, none = 0;
  call(NR_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
  if (argc == 1) pause_until_told(&all);
  if (argc < 3) end(125);
  long child = syscall6(NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
  if (child == 0) {
    // A group of its own, in the terminal's foreground where there is a terminal; SIGTTOU is blocked here.
    int group = call(NR_getpid, 0, 0, 0, 0);
    call(NR_setpgid, 0, 0, 0, 0);
    call(NR_ioctl, 0, TIOCSPGRP, &group, 0);
    call(NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
    long error = call(NR_execve, argv[1], argv + 2, envp, 0);
    call(NR_write, 2, "berth-init: cannot execute ", 27, 0);
    call(NR_write, 2, argv[1], length(argv[1]), 0);
    call(NR_write, 2, "\n", 1, 0);
    end(error == -ENOENT ? 127 : 126);
  }
  if (child < 0) end(125);
  for (;;) {
    long signal = call(NR_rt_sigtimedwait, &all, 0, 0, 8);
    if (signal > 0 && signal != SIGCHLD) call(NR_kill, child, signal, 0, 0);
    int status;
    for (long pid; (pid = call(NR_wait4, -1, &status, WNOHANG, 0)) > 0;) {
      if (pid == child) end(status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff);
    }
  }
}
