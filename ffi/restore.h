// Makes this process one that has started up before: src/snapshot/write.ts wrote its memory down, and what the kernel held
// for it. See "A process from a file" in docs/architecture.md. A part of loader.c.
#pragma once
#include <elf.h>

#include "freestanding.h"

#if defined(__x86_64__)
enum { NR_fstat = 5, NR_munmap = 11, NR_mremap = 25, NR_sigaltstack = 131, NR_arch_prctl = 158,
  NR_set_tid_address = 218, NR_epoll_ctl = 233, NR_set_robust_list = 273, NR_eventfd2 = 290, NR_epoll_create1 = 291, NR_prlimit64 = 302 };

#define SNAPSHOT_MAGIC 0x31746f687370616eul // "napshot1"
#define SNAPSHOT_HEAD 32768 // bytes at most before the pages
#define SNAPSHOT_FILES 8
#define MAP_FIXED_NOREPLACE 0x100000
#define MAP_NORESERVE 0x4000
#define MREMAP_MAYMOVE_FIXED 3
#define MADV_NOHUGEPAGE 15
#define ARCH_SET_FS 0x1002
#define RLIMIT_NOFILE 7
#define EPOLL_CTL_ADD 1
#define F_GETFD 1
#define EFD_NONBLOCK 04000
#define BOOT_ID 36

// In step with src/snapshot/write.ts.
enum source { ANONYMOUS, SMALL_PAGES, SNAPSHOT, COPY, PROTECT, FROM_FILE };
struct snapshot_mapping { uint64_t address, length, offset; uint32_t protection, source; };
struct snapshot_file { char path[128]; uint64_t inode, size, modified, modified_ns; };
struct snapshot_changed { uint64_t address; uint32_t length, by; };
struct snapshot_signal { uint64_t number, action[4]; };
struct snapshot {
  uint64_t magic, bytes;
  char boot[40];
  uint64_t stack, resume, passed;
  uint64_t thread_pointer, thread_number, robust_list, robust_size, alternate_stack[3];
  uint64_t special_count, specials[8]; // starts and ends; the last is the vDSO
  char named[12][16]; // words of a command line, for those who change pages of their own; the OCI runtime's begin with a +
  uint64_t epoll, event, events, data;
  uint64_t signal_count, file_count, mapping_count, base_count;
  uint64_t changed_count; // ranges of pages that are changed soon
};

static int is_error(long result) { return result < 0 && result > -4096; }

static int same_bytes(const char *a, const char *b, size_t n) { while (n && *a == *b) a++, b++, n--; return n == 0; }

// Where nothing is mapped yet; gives how many could be made.
static uint64_t map_base(const struct snapshot_mapping *m, uint64_t count, const int *files) {
  for (uint64_t i = 0; i < count; i++) {
    int is_file = m[i].source >= FROM_FILE, flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_NORESERVE | (is_file ? 0 : MAP_ANONYMOUS);
    long at = syscall6(NR_mmap, m[i].address, m[i].length, m[i].protection, flags, is_file ? files[m[i].source - FROM_FILE] : -1, m[i].offset);
    if (at != (long)m[i].address) {
      // Linux before 4.17 takes the address for a wish.
      if (!is_error(at)) call(NR_munmap, at, m[i].length, 0, 0);
      return i;
    }
    if (m[i].source == SMALL_PAGES) call(NR_madvise, at, m[i].length, MADV_NOHUGEPAGE, 0);
  }
  return count;
}

static void unmap_base(const struct snapshot_mapping *m, uint64_t count) {
  while (count--) call(NR_munmap, m[count].address, m[count].length, 0, 0);
}

// The C library knows where the vDSO was, and that where its data is. Gives how many of its areas could be moved by so much.
static uint64_t move_vdso(const struct snapshot *s, uint64_t shift) {
  for (uint64_t i = 0; i < s->special_count; i++) {
    uint64_t to = s->specials[2 * i], size = s->specials[2 * i + 1] - to;
    if (syscall6(NR_mremap, to + shift, size, size, MREMAP_MAYMOVE_FIXED, to, 0) != (long)to) return i;
  }
  return s->special_count;
}

// As src/main.ts has it, of a command line's first two words.
static int is_runtime(char **argv) {
  const char *name = argv[0];
  for (const char *c = name; *c; c++)
    if (*c == '/') name = c + 1;
  return equal(name, "berth-runtime") || equal(name, "runc") || equal(name, "crun") || (argv[1] && equal(argv[1], "runtime"));
}

// As `by` of struct snapshot_changed has it.
static uint32_t changes_of(uint64_t *stack, const struct snapshot *s) {
  char **argv = arguments_of(stack);
  int runtime = is_runtime(argv);
  for (uint64_t i = 1; i < stack[0]; i++)
    for (size_t n = 0; n < sizeof s->named / sizeof *s->named; n++)
      if ((s->named[n][0] == '+') == runtime && equal(argv[i], s->named[n] + runtime)) return 1 | 2u << n;
  return 1;
}

static uint64_t vdso_of(uint64_t *stack) {
  for (const Elf64_auxv_t *a = auxiliary_of(stack); a->a_type; a++)
    if (a->a_type == AT_SYSINFO_EHDR) return a->a_un.a_val;
  return 0;
}

static int is_this_boot(const char *boot) {
  char id[BOOT_ID];
  long fd = call(NR_openat, AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_CLOEXEC, 0);
  long got = fd < 0 ? 0 : call(NR_read, fd, id, BOOT_ID, 0);
  if (fd >= 0) call(NR_close, fd, 0, 0, 0);
  return got == BOOT_ID && same_bytes(id, boot, BOOT_ID);
}

// A descriptor under the number that the process knows it by; 0 where that is taken.
static int give_number(long fd, uint64_t number) {
  if (fd < 0) return 0;
  int given = call(NR_fcntl, number, F_GETFD, 0, 0) < 0 && call(NR_dup3, fd, number, O_CLOEXEC, 0) >= 0;
  call(NR_close, fd, 0, 0, 0);
  return given;
}

// The memory allocator's areas lie far below all that the kernel places. One more is treated alike, whose start and end the
// maker leaves here (src/snapshot/make.ts).
#define ARENAS_END 0x600000000000ul
#define ANOTHER_ARENA 0x100000ul

// madvise(3) of a process that goes on from a snapshot. Pages that its memory allocator gives back are zeros when it has them
// again, and so they must be: those of a file, as the snapshot's are, would be the file's.
static int advise(uint64_t address, uint64_t length, int advice) {
  enum { MADV_DONTNEED = 4, MADV_FREE = 8 };
  const uint64_t *another = (const uint64_t *)ANOTHER_ARENA;
  long result;
  if ((advice == MADV_DONTNEED || advice == MADV_FREE) && (address < ARENAS_END || (address >= another[0] && address < another[1]))) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    result = syscall6(NR_mmap, address, length, PROT_READ | PROT_WRITE, flags, -1, 0);
  } else {
    result = call(NR_madvise, address, length, advice, 0);
  }
  return is_error(result) ? -1 : 0;
}

// What Bun does first: descriptors 0 to 2 are open, and there may be as many as the limit has.
static void prepare_descriptors(void) {
  for (int fd = 0; fd < 3; fd++)
    if (call(NR_fcntl, fd, F_GETFD, 0, 0) < 0) call(NR_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
  uint64_t limit[2];
  if (call(NR_prlimit64, 0, RLIMIT_NOFILE, 0, limit) == 0 && limit[0] < limit[1]) {
    limit[0] = limit[1];
    call(NR_prlimit64, 0, RLIMIT_NOFILE, limit, 0);
  }
}

/*
 * Goes on where the snapshot was taken. Returns where that cannot be: it is of another boot, something is in its way. Up to
 * then nothing has changed.
 *
 * given: what src/snapshot/adopt.ts finds: a monitor's connection, and when this process started
 */
static void restore(uint64_t *stack, long snapshot, const uint64_t given[2]) {
  char head[SNAPSHOT_HEAD] __attribute__((aligned(8)));
  const struct snapshot *s = (const struct snapshot *)head;
  struct stat status;
  int files[SNAPSHOT_FILES];
  uint64_t opened = 0;
  if (call(NR_fstat, snapshot, &status, 0, 0) != 0 || (status.mode & 0170077) != S_IFREG || status.uid != 0) return;
  long got = call(NR_pread64, snapshot, head, sizeof head, 0);
  if (got < (long)sizeof *s || s->magic != SNAPSHOT_MAGIC || s->bytes > (uint64_t)got || s->file_count > SNAPSHOT_FILES) return;
  if (!is_this_boot(s->boot)) return;
  const struct snapshot_signal *signals = (const struct snapshot_signal *)(s + 1);
  const struct snapshot_file *f = (const struct snapshot_file *)(signals + s->signal_count);
  const struct snapshot_mapping *m = (const struct snapshot_mapping *)(f + s->file_count);
  const struct snapshot_changed *changed = (const struct snapshot_changed *)(m + s->mapping_count);
  for (; opened < s->file_count; opened++) {
    files[opened] = call(NR_openat, AT_FDCWD, f[opened].path, O_CLOEXEC, 0);
    if (files[opened] < 0) goto close_files;
    if (call(NR_fstat, files[opened], &status, 0, 0) == 0 && status.ino == f[opened].inode && (uint64_t)status.size == f[opened].size &&
        status.modified[0] == f[opened].modified && status.modified[1] == f[opened].modified_ns)
      continue;
    opened++; // the C library has been replaced
    goto close_files;
  }
  if (!give_number(call(NR_epoll_create1, O_CLOEXEC, 0, 0, 0), s->epoll)) goto close_files;
  if (!give_number(call(NR_eventfd2, 0, O_CLOEXEC | EFD_NONBLOCK, 0, 0), s->event)) goto close_epoll;
  uint64_t made = map_base(m, s->base_count, files), vdso = vdso_of(stack), shift = vdso - s->specials[2 * (s->special_count - 1)];
  if (made < s->base_count) goto unmap;
  uint64_t moved = vdso ? move_vdso(s, shift) : 0;
  if (moved < s->special_count) {
    while (moved--) {
      uint64_t from = s->specials[2 * moved], size = s->specials[2 * moved + 1] - from;
      syscall6(NR_mremap, from, size, size, MREMAP_MAYMOVE_FIXED, from + shift, 0);
    }
    goto unmap;
  }

  for (uint64_t i = s->base_count; i < s->mapping_count; i++) {
    long result;
    if (m[i].source == SNAPSHOT) result = syscall6(NR_mmap, m[i].address, m[i].length, m[i].protection, MAP_PRIVATE | MAP_FIXED, snapshot, m[i].offset);
    else if (m[i].source == COPY) result = call(NR_pread64, snapshot, m[i].address, m[i].length, m[i].offset);
    else result = call(NR_mprotect, m[i].address, m[i].length, m[i].protection, 0);
    if (is_error(result)) die("out of memory in the loader");
  }
  // Written to before they are looked at, which is one instruction, they are copied at once, and not mapped before.
  uint32_t changes = changes_of(stack, s);
  for (uint64_t i = 0; i < s->changed_count; i++) {
    if (!(changed[i].by & changes)) continue;
    char *page = (char *)changed[i].address;
    for (uint32_t n = 0; n < changed[i].length; n += 4096) __asm__ volatile("orb $0, %0" : "+m"(page[n]));
  }
  for (uint64_t i = 0; i < s->file_count; i++) call(NR_close, files[i], 0, 0, 0);
  call(NR_close, snapshot, 0, 0, 0);
  struct { uint32_t events; uint64_t data; } __attribute__((packed)) interest = {s->events, s->data};
  call(NR_epoll_ctl, s->epoll, EPOLL_CTL_ADD, s->event, &interest);
  for (uint64_t i = 0; i < s->signal_count; i++) call(NR_rt_sigaction, signals[i].number, signals[i].action, 0, 8);
  call(NR_sigaltstack, s->alternate_stack, 0, 0, 0);
  call(NR_arch_prctl, ARCH_SET_FS, s->thread_pointer, 0, 0);
  call(NR_set_robust_list, s->robust_list, s->robust_size, 0, 0);
  *(int *)s->thread_number = call(NR_set_tid_address, s->thread_number, 0, 0, 0);
  prepare_descriptors();
  *(uint64_t *)params.madvise = (uint64_t)advise;
  memcpy((void *)s->passed, given, 2 * sizeof *given);
  __asm__ volatile("mov %0, %%rsp\n  xor %%eax, %%eax\n  jmp *%1\n" ::"r"(s->stack), "r"(s->resume) : "memory");
  __builtin_unreachable();

unmap:
  unmap_base(m, made);
  call(NR_close, s->event, 0, 0, 0);
close_epoll:
  call(NR_close, s->epoll, 0, 0, 0);
close_files:
  while (opened) call(NR_close, files[--opened], 0, 0, 0);
}
#endif
