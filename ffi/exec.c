// The last step of a container's init, and of exec's: becomes the command. What init is
// made of must never be what /proc/self/exe means in a container: a command or a script's
// interpreter of that name would be the host's own executable (CVE-2019-5736). So init
// becomes this, a sealed copy in memory, and this the command.
//
// Arguments: a socket's descriptor, how many files to try, these files, the command's argv.
// Where none can be executed, the first reason that is not absence is told on the socket as
// a frame of Channel's (channel.ts): {"stage":"exec","errno":N}, 0 for absence.
#include "freestanding.h"

#if defined(__x86_64__)
enum { NR_sendto = 44, NR_execve = 59, NR_fcntl = 72, NR_prctl = 157 };
__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call run\n");
#elif defined(__aarch64__)
enum { NR_sendto = 206, NR_execve = 221, NR_fcntl = 25, NR_prctl = 167 };
__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl run\n");
#endif

#define PR_SET_DUMPABLE 4
#define F_SETFD 2
#define FD_CLOEXEC 1
#define MSG_NOSIGNAL 0x4000
#define ENOENT 2
#define EACCES 13
#define ENOTDIR 20
#define HEAD 4 // bytes of a frame's length

static int number(const char *s) {
  int n = 0;
  while (*s >= '0' && *s <= '9') n = n * 10 + *s++ - '0';
  return n;
}

static char *append(char *to, const char *from) {
  while (*from) *to++ = *from++;
  return to;
}

__attribute__((used)) static _Noreturn void run(long *stack) {
  long argc = stack[0];
  char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
  // The socket is nobody's inside.
  call(NR_prctl, PR_SET_DUMPABLE, 0, 0, 0);
  if (argc < 4) end(125);
  int socket = number(argv[1]), count = number(argv[2]);
  if (argc < 3 + count) end(125);
  call(NR_fcntl, socket, F_SETFD, FD_CLOEXEC, 0);
  long refused = 0;
  for (int i = 0; i < count; i++) {
    long error = -call(NR_execve, argv[3 + i], argv + 3 + count, envp, 0);
    if (error == ENOENT || error == ENOTDIR) continue;
    if (!refused) refused = error;
    if (error != EACCES) break;
  }
  char frame[64], *at = append(frame + HEAD, "{\"stage\":\"exec\",\"errno\":");
  if (refused > 99) *at++ = '0' + refused / 100;
  if (refused > 9) *at++ = '0' + refused / 10 % 10;
  *at++ = '0' + refused % 10;
  *at++ = '}';
  unsigned size = at - frame - HEAD;
  frame[0] = size, frame[1] = frame[2] = frame[3] = 0;
  syscall6(NR_sendto, socket, (long)frame, size + HEAD, MSG_NOSIGNAL, 0, 0);
  end(refused ? 126 : 127);
}
