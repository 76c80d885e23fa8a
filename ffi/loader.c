// What runs before Bun. The kernel starts this instead of a PT_INTERP: build.ts
// removes that header and makes the ELF entry point here. It finds a glibc dynamic
// loader (the host's if it is a current glibc, else the one the file carries), maps
// it, and hands over the process exactly as the kernel would have.
//
// Freestanding: no libc, one thread, no writable data of its own. Everything it is
// told stands in `params`, which build.ts writes in front of this code.
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "freestanding.h"
#include "processors.h"

#define MAX_LIBS 8
#define MAX_PHDRS 16
#define SLOT 64 // bytes kept for one library path

struct lib {
  char name[32]; // its soname
  uint64_t data; // address of its bytes
  uint64_t size;
};

// Written by build.ts (`encodeParams`); keep both in step.
extern const struct {
  uint64_t entry;      // Bun's own entry point
  uint64_t dynamic;    // address of .dynamic
  uint64_t verneed_size;
  uint64_t phnum;
  uint64_t lib_count;  // libs[0] is the dynamic loader
  char id[32];         // names the folder of unpacked libraries: a digest of them
  char build[32];      // names this program's snapshots: a digest of it
  uint64_t madvise;    // where the address of the C library's madvise stands
  struct lib libs[MAX_LIBS];
  Elf64_Phdr phdrs[MAX_PHDRS]; // Bun's program headers, PT_INTERP still among them
} params;

#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0100
#define O_EXCL 0200
#define F_DUPFD 0
#define MOST_DESCRIPTORS 4096
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_PRIVATE 2
#define MAP_FIXED 16
#define MAP_ANONYMOUS 32
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR 0x200
#define S_IFMT 0170000
#define S_IFDIR 0040000
#define S_IFREG 0100000

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#define HOST_LOADER "/lib64/ld-linux-x86-64.so.2"
enum { NR_write = 1, NR_mmap = 9, NR_mprotect = 10, NR_rt_sigaction = 13, NR_rt_sigprocmask = 14, NR_pread64 = 17, NR_madvise = 28, NR_getpid = 39,
  NR_brk = 12, NR_socketpair = 53, NR_clone = 56, NR_execve = 59, NR_fcntl = 72, NR_chdir = 80, NR_getuid = 102, NR_setsid = 112, NR_setpriority = 141, NR_prctl = 157, NR_mount = 165, NR_clock_gettime = 228,
  NR_mkdirat = 258, NR_newfstatat = 262, NR_unlinkat = 263, NR_renameat = 264, NR_ppoll = 271, NR_signalfd4 = 289, NR_dup3 = 292, NR_memfd_create = 319, NR_close_range = 436 };
struct stat { uint64_t dev, ino, nlink; uint32_t mode, uid, gid, pad; uint64_t rdev; int64_t size; uint64_t block[2], accessed[2], modified[2], rest[5]; };
// The room between what the kernel left on the stack and our own frames is for a few more variables.
// rdx is a function ld.so would register with atexit; the kernel hands over 0.
__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  sub $128, %rsp\n  and $-16, %rsp\n  call prepare\n  mov %rdx, %rsp\n"
        "  xor %edx, %edx\n  jmp *%rax\n");
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#define O_DIRECTORY 040000
#define O_NOFOLLOW 0100000
#define HOST_LOADER "/lib/ld-linux-aarch64.so.1"
enum { NR_write = 64, NR_mmap = 222, NR_mprotect = 226, NR_rt_sigaction = 134, NR_rt_sigprocmask = 135, NR_pread64 = 67, NR_madvise = 233, NR_getpid = 172,
  NR_brk = 214, NR_socketpair = 199, NR_clone = 220, NR_execve = 221, NR_fcntl = 25, NR_chdir = 49, NR_getuid = 174, NR_setsid = 157, NR_setpriority = 140, NR_prctl = 167, NR_mount = 40, NR_clock_gettime = 113,
  NR_mkdirat = 34, NR_newfstatat = 79, NR_unlinkat = 35, NR_renameat = 38, NR_ppoll = 73, NR_signalfd4 = 74, NR_dup3 = 24, NR_memfd_create = 279, NR_close_range = 436 };
struct stat { uint64_t dev, ino; uint32_t mode, nlink, uid, gid; uint64_t rdev, pad; int64_t size; char rest[72]; };
__asm__(".globl _start\n_start:\n  mov x0, sp\n  sub sp, sp, #128\n  bl prepare\n  mov sp, x1\n  mov x1, x0\n  mov x0, #0\n  br x1\n");
#endif

static int equal(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
static char *append(char *to, const char *from) { while (*from) *to++ = *from++; *to = 0; return to; }
static char *append_number(char *to, unsigned n) { if (n > 9) to = append_number(to, n / 10); *to++ = '0' + n % 10; *to = 0; return to; }
static _Noreturn void die(const char *why) {
  call(NR_write, 2, "berth: ", 7, 0);
  call(NR_write, 2, why, length(why), 0);
  call(NR_write, 2, "\n", 1, 0);
  end(127);
}

static char *allocate(size_t size) {
  long p = syscall6(NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p < 0 && p > -4096) die("out of memory in the loader");
  return (char *)p;
}

static int write_all(int fd, const char *data, uint64_t size) {
  while (size) {
    long n = call(NR_write, fd, data, size, 0);
    if (n <= 0) return 0;
    data += n, size -= n;
  }
  return 1;
}

// Maps an ELF shared object as the kernel maps an interpreter. Returns its load
// address and, in *entry, where it starts; 0 if it is not one for this machine.
static uint64_t map_object(int fd, uint64_t *entry, uint64_t *dynamic) {
  char head[1024];
  Elf64_Ehdr *e = (Elf64_Ehdr *)head;
  long got = call(NR_pread64, fd, head, sizeof head, 0);
  if (got < (long)sizeof *e || e->e_ident[0] != 0x7f || e->e_ident[1] != 'E' || e->e_ident[4] != ELFCLASS64 || e->e_type != ET_DYN ||
      e->e_machine != MACHINE || e->e_phoff + e->e_phnum * sizeof(Elf64_Phdr) > (uint64_t)got)
    return 0;
  Elf64_Phdr *p = (Elf64_Phdr *)(head + e->e_phoff);
  uint64_t end = 0;
  for (int i = 0; i < e->e_phnum; i++)
    if (p[i].p_type == PT_LOAD) end = p[i].p_vaddr + p[i].p_memsz;
  long base = syscall6(NR_mmap, 0, end, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base < 0 && base > -4096) return 0;
  for (int i = 0; i < e->e_phnum; i++) {
    if (p[i].p_type == PT_DYNAMIC) *dynamic = base + p[i].p_vaddr;
    if (p[i].p_type != PT_LOAD) continue;
    int prot = (p[i].p_flags & PF_R ? PROT_READ : 0) | (p[i].p_flags & PF_W ? PROT_WRITE : 0) | (p[i].p_flags & PF_X ? PROT_EXEC : 0);
    uint64_t from = p[i].p_vaddr & ~4095ul, skew = p[i].p_vaddr - from;
    uint64_t file_end = base + p[i].p_vaddr + p[i].p_filesz, mem_end = base + p[i].p_vaddr + p[i].p_memsz;
    long at = syscall6(NR_mmap, base + from, p[i].p_filesz + skew, prot, MAP_PRIVATE | MAP_FIXED, fd, p[i].p_offset - skew);
    if (at < 0 && at > -4096) return 0;
    if (mem_end == file_end) continue;
    uint64_t page_end = (file_end + 4095) & ~4095ul;
    for (uint64_t z = file_end; z < page_end; z++) *(char *)z = 0;
    if (mem_end > page_end) syscall6(NR_mmap, page_end, mem_end - page_end, prot, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
  }
  *entry = base + e->e_entry;
  return base;
}

// glibc 2.34 put libpthread and libdl into libc and nss_files/nss_dns with them;
// from there on any Bun symbol is in. A stub loader (NixOS), gcompat (musl) or an
// old glibc lacks the version name.
static int is_current_glibc(uint64_t base, uint64_t dynamic) {
  const char *strtab = 0;
  uint64_t size = 0;
  for (Elf64_Dyn *d = (Elf64_Dyn *)dynamic; d->d_tag; d++) {
    if (d->d_tag == DT_STRTAB) strtab = (const char *)base + d->d_un.d_ptr;
    if (d->d_tag == DT_STRSZ) size = d->d_un.d_val;
  }
  for (uint64_t i = 0; strtab && i < size; i += length(strtab + i) + 1)
    if (equal(strtab + i, "GLIBC_2.34")) return 1;
  return 0;
}

// Opens a folder only if nobody but root could have written in it.
static int open_root_folder(int parent, const char *name, int create) {
  if (create) call(NR_mkdirat, parent, name, 0755, 0);
  int fd = call(NR_openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  struct stat st;
  if (fd < 0) return fd;
  if (call(NR_newfstatat, fd, "", &st, 0x1000) == 0 && st.uid == 0 && (st.mode & 022) == 0) return fd;
  call(NR_close, fd, 0, 0, 0);
  return -1;
}

static int libraries_complete(int folder) {
  for (uint64_t i = 0; i < params.lib_count; i++) {
    struct stat st;
    if (call(NR_newfstatat, folder, params.libs[i].name, &st, AT_SYMLINK_NOFOLLOW) != 0 || (st.mode & S_IFMT) != S_IFREG || st.uid != 0 ||
        (st.mode & 022) || (uint64_t)st.size != params.libs[i].size)
      return 0;
  }
  return 1;
}

static void remove_libraries(int parent, const char *name) {
  int folder = call(NR_openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  for (uint64_t i = 0; folder >= 0 && i < params.lib_count; i++) call(NR_unlinkat, folder, params.libs[i].name, 0, 0);
  if (folder >= 0) call(NR_close, folder, 0, 0, 0);
  call(NR_unlinkat, parent, name, AT_REMOVEDIR, 0);
}

// Opens /run/berth/<name>, or makes it.
static int open_own_folder(const char *name) {
  int run = open_root_folder(AT_FDCWD, "/run", 1);
  int berth = run < 0 ? -1 : open_root_folder(run, "berth", 1);
  int own = berth < 0 ? -1 : open_root_folder(berth, name, 1);
  if (run >= 0) call(NR_close, run, 0, 0, 0);
  if (berth >= 0) call(NR_close, berth, 0, 0, 0);
  return own;
}

// Opens /run/berth/lib/<id>, in which all processes share one copy of the
// libraries; unpacks them beside and renames when they are not there. -1 if this
// host lets us not (read-only, full, not root).
static int open_library_folder(void) {
  if (call(NR_getuid, 0, 0, 0, 0) != 0) return -1;
  int lib = open_own_folder("lib");
  if (lib < 0) return -1;
  int folder = open_root_folder(lib, params.id, 0);
  if (folder < 0 || !libraries_complete(folder)) {
    if (folder >= 0) call(NR_close, folder, 0, 0, 0), remove_libraries(lib, params.id);
    char beside[48];
    append_number(append(beside, "unpacking-"), call(NR_getpid, 0, 0, 0, 0));
    remove_libraries(lib, beside);
    int fresh = open_root_folder(lib, beside, 1), ok = fresh >= 0;
    for (uint64_t i = 0; ok && i < params.lib_count; i++) {
      int fd = call(NR_openat, fresh, params.libs[i].name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
      ok = fd >= 0 && write_all(fd, (const char *)params.libs[i].data, params.libs[i].size);
      if (fd >= 0) call(NR_close, fd, 0, 0, 0);
    }
    if (fresh >= 0) call(NR_close, fresh, 0, 0, 0);
    // A rename onto a folder that another process finished meanwhile fails, which is as good.
    if (!ok || call(NR_renameat, lib, beside, lib, params.id) != 0) remove_libraries(lib, beside);
    folder = open_root_folder(lib, params.id, 0);
    if (folder >= 0 && !libraries_complete(folder)) call(NR_close, folder, 0, 0, 0), folder = -1;
  }
  call(NR_close, lib, 0, 0, 0);
  return folder;
}

static int lib_index(const char *name) {
  for (uint64_t i = 1; i < params.lib_count; i++)
    if (equal(params.libs[i].name, name)) return i;
  return -1;
}

// Makes ld.so find the libraries by path: DT_NEEDED and the file names of
// DT_VERNEED (ld.so compares those with paths, not sonames) get the offsets of
// strings appended to a copy of the string table.
static void redirect_needed(char paths[MAX_LIBS][SLOT]) {
  Elf64_Dyn *dynamic = (Elf64_Dyn *)params.dynamic, *strtab = 0, *strsz = 0, *verneed = 0;
  for (Elf64_Dyn *d = dynamic; d->d_tag; d++) {
    if (d->d_tag == DT_STRTAB) strtab = d;
    if (d->d_tag == DT_STRSZ) strsz = d;
    if (d->d_tag == DT_VERNEED) verneed = d;
  }
  const char *old = (const char *)strtab->d_un.d_ptr;
  uint64_t size = strsz->d_un.d_val;
  char *strings = allocate(size + MAX_LIBS * SLOT), *needs = allocate(params.verneed_size);
  memcpy(strings, old, size);
  memcpy(strings + size, paths, MAX_LIBS * SLOT);
  memcpy(needs, (const char *)verneed->d_un.d_ptr, params.verneed_size);
  for (Elf64_Dyn *d = dynamic; d->d_tag; d++) {
    int i = d->d_tag == DT_NEEDED ? lib_index(old + d->d_un.d_val) : -1;
    if (i > 0) d->d_un.d_val = size + i * SLOT;
  }
  for (Elf64_Verneed *v = (Elf64_Verneed *)needs;; v = (Elf64_Verneed *)((char *)v + v->vn_next)) {
    int i = lib_index(old + v->vn_file);
    if (i > 0) v->vn_file = size + i * SLOT;
    if (!v->vn_next) break;
  }
  strtab->d_un.d_ptr = (uint64_t)strings;
  strsz->d_un.d_val = size + MAX_LIBS * SLOT;
  verneed->d_un.d_ptr = (uint64_t)needs;
}

// Maps the dynamic loader the file carries; its libraries come from the shared
// folder, or, where there can be none, from memory of this process.
static uint64_t map_carried(uint64_t *entry, uint64_t *dynamic) {
  char paths[MAX_LIBS][SLOT];
  int loader = -1, folder = open_library_folder();
  memset(paths, 0, sizeof paths);
  for (uint64_t i = 0; i < params.lib_count; i++) {
    if (folder >= 0) {
      append(append(append(append(paths[i], "/run/berth/lib/"), params.id), "/"), params.libs[i].name);
      if (i == 0) loader = call(NR_openat, folder, params.libs[i].name, O_RDONLY | O_CLOEXEC, 0);
    } else {
      int fd = call(NR_memfd_create, params.libs[i].name, 1 /* MFD_CLOEXEC */, 0, 0);
      if (fd < 0 || !write_all(fd, (const char *)params.libs[i].data, params.libs[i].size)) die("cannot unpack the C library into memory");
      append_number(append(paths[i], "/proc/self/fd/"), fd);
      if (i == 0) loader = fd;
    }
  }
  if (folder >= 0) call(NR_close, folder, 0, 0, 0);
  redirect_needed(paths);
  uint64_t base = loader < 0 ? 0 : map_object(loader, entry, dynamic);
  if (!base) die("cannot map the dynamic loader");
  call(NR_close, loader, 0, 0, 0);
  return base;
}

// JavaScriptCore's options for what takes ten milliseconds; they come by the environment alone (its Options.h), which says
// what of them is ours to set. It compiles what was called some thirty times, which pays only where something runs for long;
// and from the first megabyte on a thread fetches memory ahead that is not used any more, and holds up the end.
static const char *const options[] = {"BUN_JSC_thresholdForJITAfterWarmUp=10000", "BUN_JSC_useWarmUpMarkedBlocks=0"};

// As the kernel leaves them on the stack: arguments, variables, and what it says itself.
static char **arguments_of(uint64_t *stack) { return (char **)(stack + 1); }
static char **variables_of(uint64_t *stack) { return arguments_of(stack) + stack[0] + 1; }
static Elf64_auxv_t *auxiliary_of(uint64_t *stack) {
  char **end = variables_of(stack);
  while (*end++) continue;
  return (Elf64_auxv_t *)end;
}

// The variable of that name, whole; the name may be followed by a value.
static char *find_variable(uint64_t *stack, const char *name) {
  for (char **variable = variables_of(stack); *variable; variable++) {
    const char *a = *variable, *b = name;
    while (*a == *b && *b != '=') a++, b++;
    if (*a == *b) return *variable;
  }
  return 0;
}

// Puts a variable in front of the others: what comes before them moves down by two words, which keeps the alignment, they
// and what follows by one.
static uint64_t *add_variable(uint64_t *stack, const char *variable) {
  uint64_t *to = stack - 2, *from = stack, *end = stack + 1 + stack[0] + 1;
  while (from < end) *to++ = *from++;
  *to++ = (uint64_t)variable;
  while (*from) *to++ = *from++;
  *to++ = *from++;
  for (uint64_t type = from[0];; type = from[0]) {
    *to++ = *from++;
    *to++ = *from++;
    if (type == AT_NULL) return stack - 2;
  }
}

// Asks for Bun's code and constants in huge pages: 70 MB of them are touched by every start, and a file that the page cache
// holds in small pieces costs each process 2 ms more. The kernel then reads the file in such pieces when it is not cached yet
// (do_sync_mmap_readahead in mm/filemap.c), where its file system has large folios; build.ts aligns the segments for it.
static void ask_for_huge_pages(void) {
  for (uint64_t i = 0; i < params.phnum; i++) {
    const Elf64_Phdr *p = &params.phdrs[i];
    uint64_t from = p->p_vaddr & ~4095ul;
    if (p->p_type == PT_LOAD && !(p->p_flags & PF_W)) call(NR_madvise, from, p->p_vaddr + p->p_memsz - from, 14 /* MADV_HUGEPAGE */, 0);
  }
}

static int ends_with(const char *text, const char *end) {
  size_t size = length(text), skip = length(end);
  return size >= skip && equal(text + size - skip, end);
}

// Whether this is `berth run …` of the machine's root, and no name of an OCI runtime, whose verb that is, too (src/main.ts).
static int wants_monitor(uint64_t *stack) {
  char **argv = arguments_of(stack);
  if (stack[0] < 3 || !equal(argv[1], "run") || ends_with(argv[0], "runc") || ends_with(argv[0], "crun") || ends_with(argv[0], "-runtime")) return 0;
  for (uint64_t i = 2; i < stack[0]; i++)
    if (equal(argv[i], "--help")) return 0;
  return call(NR_getuid, 0, 0, 0, 0) == 0 && call(NR_getpid, 0, 0, 0, 0) != 1 && !find_variable(stack, "BERTH_ROOTLESS_ALIVE=");
}

// Becomes this program once more, in a session of its own, with nothing open but what is kept as descriptor 3 (-1: nothing).
static _Noreturn void become(const char *const *argv, const char *const *environment, int kept) {
  // What is ignored would stay so, in what it starts, too.
  uint64_t by_default[4] = {0}, no_signals = 0;
  for (int signal = 1; signal <= 64; signal++) call(NR_rt_sigaction, signal, by_default, 0, 8);
  int nothing = call(NR_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
  // Out of the way of where they are to be.
  nothing = call(NR_fcntl, nothing, F_DUPFD, 4, 0);
  if (kept >= 0) kept = call(NR_fcntl, kept, F_DUPFD, 4, 0);
  for (int i = 0; i < 3; i++)
    if (call(NR_dup3, nothing, i, 0, 0) < 0) end(1);
  int first = 3;
  if (kept >= 0 && call(NR_dup3, kept, first++, 0, 0) < 0) end(1);
  // Before Linux 5.9 one by one.
  if (call(NR_close_range, first, ~0u, 0, 0) < 0)
    for (int fd = first; fd < MOST_DESCRIPTORS; fd++) call(NR_close, fd, 0, 0, 0);
  call(NR_chdir, "/", 0, 0, 0);
  call(NR_setsid, 0, 0, 0, 0);
  call(NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &no_signals, 0, 8);
  call(NR_execve, "/proc/self/exe", argv, environment, 0);
  end(1);
}

// As launchMonitor in src/engine/launch-monitor.ts, whose connection stays with it as descriptor 3.
static _Noreturn void become_monitor(uint64_t *stack, int connection) {
  const char *const argv[] = {MONITOR_NAME, "monitor", 0};
  const char *environment[] = {MONITOR_ENVIRONMENT, 0, 0, 0, 0};
  const char **next = environment;
  while (*next) next++;
  const char *given[] = {find_variable(stack, "BERTH_TRACE="), find_variable(stack, "BERTH_ROOT="), find_variable(stack, "BERTH_SNAPSHOT=")};
  for (size_t i = 0; i < sizeof given / sizeof *given; i++)
    if (given[i]) *next++ = given[i];
  become(argv, environment, connection);
}

// A `run` needs a monitor as soon as it has made its container: it starts up while Bun does here. It ends with the connection,
// whose number a variable tells src/cli/main.ts.
static uint64_t *launch_monitor(uint64_t *stack, uint64_t *connection) {
  int ends[2];
  if (call(NR_socketpair, 1 /* AF_UNIX */, 1 /* SOCK_STREAM */ | O_CLOEXEC, 0, ends) < 0) return stack;
  int is_free = may_use_all_processors();
  unsigned cpu = current_processor();
  long child = call(NR_clone, 17 /* SIGCHLD */, 0, 0, 0);
  if (child == 0) become_monitor(stack, ends[1]);
  if (child > 0 && is_free) use_all_but(child, cpu), use_all_but(child, NO_PROCESSOR);
  call(NR_close, ends[1], 0, 0, 0);
  if (child < 0) {
    call(NR_close, ends[0], 0, 0, 0);
    return stack;
  }
  *connection = ends[0];
  char *variable = allocate(64);
  append_number(append(variable, MONITOR_VARIABLE "="), ends[0]);
  return add_variable(stack, variable);
}

static int is_called(uint64_t *stack, const char *name, uint64_t least) { return stack[0] >= least && equal(arguments_of(stack)[0], name); }

#if defined(__x86_64__)
#include "restore.h"

#define SNAPSHOT_FOLDER "/run/berth/snapshot/"
#define SNAPSHOT_ATTEMPTS 600 // seconds between them
#define NICE 5
#define PRIO_PROCESS 0
#define PR_GET_SECCOMP 21
#define EEXIST 17
#define ENOENT 2

// Bun, its memory allocator and the C library look at these only as they start up.
static int is_started_specially(uint64_t *stack) {
  static const char names[][16] = {"BUN_", "MIMALLOC_", "LD_", "GLIBC_", "MALLOC_"};
  for (char **variable = variables_of(stack); *variable; variable++)
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
      if (same_bytes(*variable, names[i], length(names[i]))) return 1;
  return 0;
}

// What a snapshot is of keeps its descriptors' numbers: high ones, which few processes have been given. And it has no heap
// that grows behind the program, where that of whoever goes on here is somewhere else.
static void prepare_for_snapshot(void) {
  for (int fd = 3; fd < FIRST_OWN_DESCRIPTOR; fd++) call(NR_dup3, 0, fd, O_CLOEXEC, 0);
  uint64_t heap = (call(NR_brk, 0, 0, 0, 0) + 4095) & ~4095ul;
  syscall6(NR_mmap, heap, 4096, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

// Where there is none yet, somebody makes one beside this process. The file is there from the start: it says that it is being made.
static void launch_maker(int is_monitor, const char *path) {
  static const char *const kinds[] = {"command", "monitor"};
  static const char *const command_environment[] = {SNAPSHOT_ENVIRONMENT_command, 0};
  static const char *const monitor_environment[] = {SNAPSHOT_ENVIRONMENT_monitor, 0};
  const char *const argv[] = {SNAPSHOT_NAME, "snapshot", kinds[is_monitor], path, 0};
  int folder = open_own_folder("snapshot");
  if (folder < 0) return;
  char beside[96];
  append(append(beside, path + sizeof SNAPSHOT_FOLDER - 1), ".new");
  long fd = call(NR_openat, folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  struct stat status;
  uint64_t now[2];
  if (fd == -EEXIST && call(NR_newfstatat, folder, beside, &status, AT_SYMLINK_NOFOLLOW) == 0 && call(NR_clock_gettime, 0, now, 0, 0) == 0 &&
      now[0] > status.modified[0] + SNAPSHOT_ATTEMPTS)
    call(NR_unlinkat, folder, beside, 0, 0); // whoever made it was killed; the next command sees to it
  call(NR_close, folder, 0, 0, 0);
  if (fd < 0) return;
  call(NR_close, fd, 0, 0, 0);
  if (call(NR_clone, 17 /* SIGCHLD */, 0, 0, 0) != 0) return;
  call(NR_setpriority, PRIO_PROCESS, 0, NICE, 0);
  become(argv, is_monitor ? monitor_environment : command_environment, -1);
}

static void use_snapshot(uint64_t *stack, uint64_t connection, const uint64_t start[2]) {
  char path[96];
  const uint64_t given[2] = {connection, start[0] * 1000000000 + start[1]};
  if (call(NR_getuid, 0, 0, 0, 0) != 0 || call(NR_getpid, 0, 0, 0, 0) == 1) return;
  // Bun finds out what the kernel can do as it starts up; a filter may take some of it away.
  if (call(NR_prctl, PR_GET_SECCOMP, 0, 0, 0) != 0) return;
  int is_trial = is_called(stack, TRIAL_NAME, 2), is_monitor = is_called(stack, MONITOR_NAME, 2);
  if (!is_trial && (find_variable(stack, "BERTH_SNAPSHOT=") || (!is_monitor && is_started_specially(stack)))) return;
  append(append(append(append(path, SNAPSHOT_FOLDER), params.build), "-"), is_monitor ? "monitor" : "command");
  long snapshot = call(NR_openat, AT_FDCWD, is_trial ? arguments_of(stack)[1] : path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (snapshot >= 0) {
    restore(stack, snapshot, given);
    call(NR_close, snapshot, 0, 0, 0);
  } else if (snapshot == -ENOENT && !is_trial) {
    launch_maker(is_monitor, path);
  }
}
#endif

// A monitor whose container neither writes nor ends: src/monitor/resting.ts, which blocked its signals, and knows these
// descriptors. Returns when there is something to do; the word that brought it here then says whether a command wants it to
// look. Gives whether it is for output or a probe alone, which can wait for a while.
#define LISTENING (FIRST_BOUND_DESCRIPTOR - FIRST_LISTENING_DESCRIPTOR)
enum { STATE = FIRST_RESTING_DESCRIPTOR, STANDARD_OUTPUT, STANDARD_ERROR, END, MOUNTS, ALARM };
static int rest(char *word) {
  enum { SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGUSR2 = 12, SIGTERM = 15, SIGURG = 23, POLLIN = 1, POLLNVAL = 32, PR_SET_NAME = 15, O_NONBLOCK = 04000, EINTR = 4 };
  static const char ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR2, SIGTERM};
  uint64_t told = 1ul << (SIGUSR2 - 1) | 1ul << (SIGURG - 1), by_ignoring[4] = {1 /* SIG_IGN */}, no_signals = 0;
  int signals = call(NR_signalfd4, -1, &told, 8, O_CLOEXEC | O_NONBLOCK);
  enum { PATIENT = 3, OWN = PATIENT + 2 };
  int own[OWN] = {STANDARD_OUTPUT, STANDARD_ERROR, ALARM, END, signals};
  struct { int fd; short events, got; } polled[OWN + LISTENING];
  for (int i = 0; i < OWN + LISTENING; i++) polled[i].fd = i < OWN ? own[i] : FIRST_LISTENING_DESCRIPTOR + i - OWN, polled[i].events = POLLIN;
  call(NR_prctl, PR_SET_NAME, MONITOR_NAME, 0, 0);
  int by_patient = 0, by_others = 0;
  while (!by_patient && !by_others) {
    long ready = syscall6(NR_ppoll, (long)polled, OWN + LISTENING, 0, 0, 8, 0);
    if (ready == -EINTR) continue;
    if (ready < 0) break;
    for (int i = 0; i < OWN + LISTENING; i++) {
      if (polled[i].got & POLLNVAL) polled[i].fd = -1; // it has none
      else if (i < PATIENT) by_patient |= polled[i].got;
      else by_others |= polled[i].got;
    }
  }
  append(word, RESUMED);
  uint32_t signal[32]; // struct signalfd_siginfo, 128 bytes
  while (call(NR_read, signals, signal, sizeof signal, 0) == sizeof signal)
    if (signal[0] == SIGUSR2) append(word, CHANGED);
  // What comes before Bun has handlers is found by looking.
  for (size_t i = 0; i < sizeof ignored; i++) call(NR_rt_sigaction, ignored[i], by_ignoring, 0, 8);
  call(NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &no_signals, 0, 8);
  for (int fd = 3; fd < FIRST_RESTING_DESCRIPTOR; fd++)
    if (call(NR_close_range, fd, FIRST_RESTING_DESCRIPTOR - 1, 0, 0) == 0) break;
    else call(NR_close, fd, 0, 0, 0);
  return !by_others;
}

struct start { uint64_t entry; uint64_t *stack; };

// Called with the stack as the kernel left it: argc, argv, NULL, envp, NULL, auxv.
__attribute__((used)) struct start prepare(uint64_t *stack) {
  char *foreign = find_variable(stack, MONITOR_VARIABLE "=");
  if (foreign) *foreign = '_';
  uint64_t connection = -1, start[2] = {0};
  call(NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, start, 0, 0);
  if (wants_monitor(stack)) stack = launch_monitor(stack, &connection);
  int is_patient = is_called(stack, MONITOR_NAME, 3) && equal(arguments_of(stack)[2], RESTING) && rest(arguments_of(stack)[2]);
  ask_for_huge_pages();
#if defined(__x86_64__)
  if (is_called(stack, SNAPSHOT_NAME, 4)) prepare_for_snapshot();
  else if (!is_patient) use_snapshot(stack, connection, start);
#else
  (void)is_patient;
#endif
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (!find_variable(stack, options[i])) stack = add_variable(stack, options[i]);
  // Bun aborts without /proc; as the first process of a machine nobody else mounts it.
  struct stat st;
  if (call(NR_getpid, 0, 0, 0, 0) == 1 && call(NR_newfstatat, AT_FDCWD, "/proc/self/maps", &st, 0) != 0) {
    call(NR_mkdirat, AT_FDCWD, "/proc", 0755, 0);
    syscall6(NR_mount, (long)"proc", (long)"/proc", (long)"proc", 14 /* nosuid nodev noexec */, 0, 0);
  }
  uint64_t base = 0, entry = 0, dynamic = 0;
  int host = call(NR_openat, AT_FDCWD, HOST_LOADER, O_RDONLY | O_CLOEXEC, 0);
  if (host >= 0) {
    base = map_object(host, &entry, &dynamic);
    if (base && !is_current_glibc(base, dynamic)) base = 0;
    call(NR_close, host, 0, 0, 0);
  }
  if (!base) base = map_carried(&entry, &dynamic);

  // ld.so reads the program headers through AT_PHDR; in this copy PT_INTERP still
  // stands (it asserts that) and PT_PHDR names the copy (its address gives l_addr).
  Elf64_Phdr *phdrs = (Elf64_Phdr *)allocate(sizeof params.phdrs);
  memcpy(phdrs, params.phdrs, sizeof params.phdrs);
  for (uint64_t i = 0; i < params.phnum; i++)
    if (phdrs[i].p_type == PT_PHDR) phdrs[i].p_vaddr = phdrs[i].p_paddr = (uint64_t)phdrs;

  for (Elf64_auxv_t *a = auxiliary_of(stack); a->a_type; a++) {
    if (a->a_type == AT_BASE) a->a_un.a_val = base;
    if (a->a_type == AT_ENTRY) a->a_un.a_val = params.entry;
    if (a->a_type == AT_PHDR) a->a_un.a_val = (uint64_t)phdrs;
    if (a->a_type == AT_PHNUM) a->a_un.a_val = params.phnum;
  }
  return (struct start){entry, stack};
}
