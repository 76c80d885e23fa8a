// Which processor a process runs on, where the kernel places it badly. With few of them, whom a busy process starts or wakes
// stays on that one's processor, though another is idle (select_idle_cpu in kernel/sched/fair.c looks no further where the
// load of the last milliseconds was high), until the next tick at least.
#pragma once
#include <stdint.h>

#include "freestanding.h"

#if defined(__x86_64__)
enum { NR_read = 0, NR_close = 3, NR_openat = 257, NR_sched_setaffinity = 203, NR_sched_getaffinity = 204, NR_getcpu = 309 };
#elif defined(__aarch64__)
enum { NR_read = 63, NR_close = 57, NR_openat = 56, NR_sched_setaffinity = 122, NR_sched_getaffinity = 123, NR_getcpu = 168 };
#endif

#define AT_FDCWD -100
#define O_CLOEXEC 02000000
#define MASK_WORDS 16

static unsigned current_processor(void) {
  unsigned cpu = ~0u;
  call(NR_getcpu, &cpu, 0, 0, 0);
  return cpu;
}

// Whether this process may use all processors that are online: `0-LAST`, as sysfs has them.
static int may_use_all_processors(void) {
  uint64_t mask[MASK_WORDS];
  char online[32];
  long size = call(NR_sched_getaffinity, 0, sizeof mask, mask, 0);
  long fd = call(NR_openat, AT_FDCWD, "/sys/devices/system/cpu/online", O_CLOEXEC, 0);
  long got = fd < 0 ? 0 : call(NR_read, fd, online, sizeof online - 1, 0);
  if (fd >= 0) call(NR_close, fd, 0, 0, 0);
  if (size <= 0 || got < 4 || online[0] != '0' || online[1] != '-') return 0;
  unsigned last = 0, count = 0;
  for (long i = 2; i < got && online[i] != '\n'; i++) {
    if (online[i] < '0' || online[i] > '9') return 0;
    last = last * 10 + online[i] - '0';
  }
  for (long i = 0; i < size / 8; i++)
    for (uint64_t bits = mask[i]; bits; bits &= bits - 1) count++;
  return count == last + 1;
}

// Lets a process (0: this one) use all processors but one, or all (NO_PROCESSOR).
#define NO_PROCESSOR (MASK_WORDS * 64)
static void use_all_but(long pid, unsigned cpu) {
  uint64_t mask[MASK_WORDS];
  for (int i = 0; i < MASK_WORDS; i++) mask[i] = ~0ul;
  if (cpu < NO_PROCESSOR) mask[cpu / 64] &= ~(1ul << cpu % 64);
  call(NR_sched_setaffinity, pid, sizeof mask, mask, 0);
}
