// /init of a machine made by `berth vm image`. Berth itself lies packed in a squashfs there:
// unpacked into an initramfs, which is memory, its executable would be half of a small
// machine's. Loads the modules /stage/0, /stage/1, …, mounts /stage/berth.squashfs by a loop
// device at /berth, and becomes the berth in it.
#include "freestanding.h"

#if defined(__x86_64__)
enum { NR_write = 1, NR_close = 3, NR_ioctl = 16, NR_execve = 59, NR_mount = 165, NR_openat = 257, NR_mkdirat = 258, NR_mknodat = 259, NR_finit_module = 313 };
__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call boot\n");
#elif defined(__aarch64__)
enum { NR_write = 64, NR_close = 57, NR_ioctl = 29, NR_execve = 221, NR_mount = 40, NR_openat = 56, NR_mkdirat = 34, NR_mknodat = 33, NR_finit_module = 273 };
__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl boot\n");
#endif

#define AT_FDCWD -100
#define O_RDONLY 0
#define O_CLOEXEC 02000000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define MS_RDONLY 1
#define MODULE_INIT_COMPRESSED_FILE 4
#define LOOP_SET_FD 0x4c00
#define LOOP_CTL_GET_FREE 0x4c82
#define LOOP_CONTROL (10 << 8 | (237 & 0xff)) // linux/miscdevice.h
#define LOOP_MAJOR 7
#define ENOENT 2
#define EEXIST 17

static char *append_number(char *to, long n) {
  if (n > 9) to = append_number(to, n / 10);
  *to++ = '0' + n % 10;
  *to = 0;
  return to;
}

// The end of the first process is the kernel's panic, with this line above it.
static _Noreturn void fail(const char *what, long error) {
  char number[24] = ": errno ";
  char *end_of_number = append_number(number + 8, -error);
  *end_of_number++ = '\n';
  call(NR_write, 2, "berth: ", 7, 0);
  call(NR_write, 2, what, length(what), 0);
  call(NR_write, 2, number, end_of_number - number, 0);
  end(1);
}

static long must(const char *what, long result) {
  if (result < 0) fail(what, result);
  return result;
}

static long open(const char *path) { return call(NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0); }

static void load_modules(void) {
  for (int i = 0;; i++) {
    char path[32] = "/stage/";
    append_number(path + 7, i);
    long file = open(path);
    if (file == -ENOENT) return;
    must(path, file);
    long result = call(NR_finit_module, file, "", 0, 0);
    if (result < 0 && result != -EEXIST) result = call(NR_finit_module, file, "", MODULE_INIT_COMPRESSED_FILE, 0);
    if (result < 0 && result != -EEXIST) fail("cannot load a module of /stage", result);
    call(NR_close, file, 0, 0, 0);
  }
}

__attribute__((used)) static _Noreturn void boot(long *stack) {
  char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
  load_modules();
  call(NR_mknodat, AT_FDCWD, "/stage/loop-control", S_IFCHR | 0600, LOOP_CONTROL);
  long control = must("cannot open the loop devices' control", open("/stage/loop-control"));
  long number = must("no loop device", call(NR_ioctl, control, LOOP_CTL_GET_FREE, 0, 0));
  call(NR_mknodat, AT_FDCWD, "/stage/loop", S_IFBLK | 0600, LOOP_MAJOR << 8 | number);
  long device = must("cannot open a loop device", open("/stage/loop"));
  long file = must("cannot open /stage/berth.squashfs", open("/stage/berth.squashfs"));
  must("cannot give a loop device its file", call(NR_ioctl, device, LOOP_SET_FD, file, 0));
  call(NR_mkdirat, AT_FDCWD, "/berth", 0755, 0);
  must("cannot mount /stage/berth.squashfs", syscall6(NR_mount, (long)"/stage/loop", (long)"/berth", (long)"squashfs", MS_RDONLY, 0, 0));
  fail("cannot execute /berth/berth", call(NR_execve, "/berth/berth", argv, envp, 0));
}
