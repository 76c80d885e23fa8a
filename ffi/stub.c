// A child that carries out system calls for its parent. It shares the parent's memory
// (clone(2), CLONE_VM), so that pointers mean the same to both, and nothing else: namespaces,
// root, descriptors and credentials are its own. What builds a container around it runs on in
// the parent, without a second Bun to start; see ffi/stub.ts.
//
// Freestanding and position independent: these bytes are mapped into the parent. It must touch
// nothing of the C library, whose memory is the parent's: no errno, no thread-local storage.
#include "freestanding.h"
#include "processors.h"

#if defined(__x86_64__)
enum { NR_rt_sigaction = 13, NR_rt_sigprocmask = 14, NR_clone = 56, NR_wait4 = 61, NR_futex = 202, NR_waitid = 247, NR_ppoll = 271, NR_setns = 308 };
__asm__(".globl _start\n_start:\n  jmp start\n  .balign 16\n  jmp begin\n  .balign 16\n  jmp finish\n  .balign 16\n  jmp delegate\n  .balign 16\n  jmp post\n  .balign 16\n  jmp all\n  .balign 16\n"
        // freeze(at): see freezer in ffi/stub.ts. Its caller gets the number of a copy of this process, which does nothing; and 0
        // once more, in each process that ffi/restore.h makes of the copy's memory. What the copy is entered by stands at `at`.
        "freeze:\n  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
        "  lea 1f(%rip), %rax\n  mov %rsp, (%rdi)\n  mov %rax, 8(%rdi)\n"
        "  mov $56, %eax\n  mov $17, %edi\n  xor %esi, %esi\n  xor %edx, %edx\n  xor %r10d, %r10d\n  xor %r8d, %r8d\n  syscall\n"
        "  test %rax, %rax\n  jz 2f\n"
        "1:\n  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n  ret\n"
        // PR_SET_PDEATHSIG: it is not to stay when its maker is killed.
        "2:\n  mov $157, %eax\n  mov $1, %edi\n  mov $9, %esi\n  syscall\n"
        "3:\n  mov $34, %eax\n  syscall\n  jmp 3b\n");
static inline void relax(void) { __asm__ volatile("pause"); }
#elif defined(__aarch64__)
enum { NR_rt_sigaction = 134, NR_rt_sigprocmask = 135, NR_clone = 220, NR_futex = 98, NR_ppoll = 73, NR_waitid = 95, NR_wait4 = 260, NR_setns = 268 };
__asm__(".globl _start\n_start:\n  b start\n  .balign 16\n  b begin\n  .balign 16\n  b finish\n  .balign 16\n  b delegate\n  .balign 16\n  b post\n  .balign 16\n  b all\n");
static inline void relax(void) { __asm__ volatile("yield"); }
#endif

struct waiter {
  int is_asleep;
  int in_vain; // how often in a row the other was not there in time
};

// The fields, and how large the memory is whose end is the child's stack: ffi/stub.ts, too.
struct stub {
  int state;      // a futex
  int pid;
  int channel;    // the child's end of a socket: where its peer is closed, the parent is gone
  int parent_end; // its peer, of which the child has a copy
  int spins;      // how often it is looked before somebody sleeps; 0 where the two have one processor
  struct waiter child, parent;
  int place;      // of the child
  long number, args[6];
  long result;
  long failed; // which of the posted calls
};
#define SIZE 32768

// A call that waits its turn: of those that are posted whether it may fail, of the others what it gave.
struct listed { long number, args[6], may_fail_or_result; };

enum { IDLE, CALLED, DONE };
// Where the child runs: where the kernel likes, where its user likes, or not where the parent does.
enum { ANYWHERE, AS_GIVEN, AWAY };
#define PATIENCE 4
#define MOVES_AFTER 2
#define POSTED -1
#define ALL -2
#define GONE -4096 // no errno
#define CLONE_VM 0x100
#define CLONE_PARENT 0x8000
#define CLONE_NEWPID 0x20000000
#define SIGCHLD 17
#define SIG_SETMASK 2
#define LAST_SIGNAL 64
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#define POLLHUP 16
#define EINTR 4
#define P_PID 1
#define WNOHANG_EXITED_NOWAIT 0x1000005

static int state_of(struct stub *s) { return __atomic_load_n(&s->state, __ATOMIC_SEQ_CST); }
static void set(int *field, int value) { __atomic_store_n(field, value, __ATOMIC_SEQ_CST); }

// Sets the state, and wakes whoever sleeps until it changes.
static void change_state(struct stub *s, int state, struct waiter *other) {
  set(&s->state, state);
  if (__atomic_load_n(&other->is_asleep, __ATOMIC_SEQ_CST)) call(NR_futex, &s->state, FUTEX_WAKE_PRIVATE, 1, 0);
}

// Waits a tenth of a second at most.
static void await_state(struct stub *s, int state, struct waiter *self) {
  // To sleep and be woken takes longer than most calls do: 50 us, where a processor was idle. Where the other one finds no
  // processor, looking only keeps it from one.
  if (self->in_vain < PATIENCE || self->in_vain % PATIENCE == 0) {
    for (int i = 0; i < s->spins; i++) {
      if (state_of(s) == state) {
        self->in_vain = 0;
        return;
      }
      relax();
    }
  }
  self->in_vain++;
  long time[2] = {0, 100000000};
  set(&self->is_asleep, 1);
  int now = state_of(s);
  if (now != state) call(NR_futex, &s->state, FUTEX_WAIT_PRIVATE, now, time);
  set(&self->is_asleep, 0);
}

static long carry_out(long number, const long *a) {
  long result;
  do result = syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  while (result == -EINTR);
  return result;
}

// It may have left a message that nobody asked for yet.
static int has_parent(struct stub *s) {
  struct { int fd; short events, revents; } peer = {s->channel, 0, 0};
  long at_once[2] = {0, 0};
  call(NR_ppoll, &peer, 1, at_once, 0);
  return !(peer.revents & POLLHUP);
}

static _Noreturn void serve(struct stub *s) {
  // Handlers of the parent's would run here, in its memory. All signals are blocked until the last call.
  long by_default[4] = {0, 0, 0, 0};
  for (long n = 1; n <= LAST_SIGNAL; n++) call(NR_rt_sigaction, n, by_default, 0, 8);
  call(NR_close, s->parent_end, 0, 0, 0);
  for (;;) {
    await_state(s, CALLED, &s->child);
    if (state_of(s) != CALLED) {
      if (!has_parent(s)) end(1);
      continue;
    }
    if (s->number == POSTED) break;
    if (s->number == ALL) {
      struct listed *l = (struct listed *)s->args[0];
      for (long i = 0; i < s->args[1]; i++) l[i].may_fail_or_result = carry_out(l[i].number, l[i].args);
      s->result = 0;
    } else {
      s->result = carry_out(s->number, s->args);
    }
    change_state(s, DONE, &s->parent);
  }
  const struct listed *p = (const struct listed *)s->args[0];
  for (long i = 0; i < s->args[1]; i++) {
    long result = carry_out(p[i].number, p[i].args);
    if (result >= 0 || p[i].may_fail_or_result) continue;
    s->result = result;
    s->failed = i;
    break;
  }
  end(1);
}

// The child begins in a function that does not return, on a stack of its own.
static long clone_into(void (*begin)(struct stub *), struct stub *s, char *stack_top, long flags) {
  long *top = (long *)stack_top - 2;
  top[0] = (long)s;
  top[1] = (long)begin;
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
  __asm__ volatile("syscall\n  test %%rax, %%rax\n  jnz 1f\n  pop %%rdi\n  pop %%rax\n  xor %%ebp, %%ebp\n  call *%%rax\n1:"
                   : "=a"(result) : "a"(NR_clone), "D"(flags), "S"(top), "d"(0), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = NR_clone, x0 __asm__("x0") = flags, x1 __asm__("x1") = (long)top, x2 __asm__("x2") = 0, x3 __asm__("x3") = 0,
                x4 __asm__("x4") = 0;
  __asm__ volatile("svc 0\n  cbnz x0, 1f\n  ldp x0, x1, [sp], #16\n  mov x29, #0\n  blr x1\n1:"
                   : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory", "x30");
  return x0;
#endif
}

static _Noreturn void join_and_clone(struct stub *s) {
  long result = call(NR_setns, s->args[0], CLONE_NEWPID, 0, 0);
  if (result >= 0) result = clone_into(serve, s, (char *)s + SIZE, CLONE_VM | CLONE_PARENT | SIGCHLD);
  s->result = result;
  end(0);
}

// Starts the child, with flags of clone(2), or in the PID namespace that a descriptor is (else -1). Gives the child's number,
// or an errno. It is put beside the parent, which goes on at once, where that is known to be alone. Into a namespace that is there a child in between goes: while a thread's own children have another one than
// itself, it can start no threads, and Bun does when it sees fit; and not everybody may come back (setns(2)).
__attribute__((used)) static long start(struct stub *s, long flags, long theirs, long is_alone) {
  unsigned long all = ~0ul, before;
  call(NR_rt_sigprocmask, SIG_SETMASK, &all, &before, 8);
  long result;
  if (theirs < 0) {
    result = clone_into(serve, s, (char *)s + SIZE, flags | CLONE_VM | SIGCHLD);
  } else {
    s->args[0] = theirs;
    result = clone_into(join_and_clone, s, (char *)s + SIZE / 2, CLONE_VM | SIGCHLD);
    if (result > 0 && call(NR_wait4, result, 0, 0, 0) == result) result = s->result;
  }
  call(NR_rt_sigprocmask, SIG_SETMASK, &before, 0, 8);
  if (result > 0) s->pid = result;
  if (result > 0 && is_alone && s->spins > 0 && may_use_all_processors()) use_all_but(result, current_processor()), use_all_but(result, NO_PROCESSOR);
  return result;
}

static int has_child(struct stub *s) {
  int info[32] = {0}; // siginfo_t: its signal first, none where nobody has ended
  syscall6(NR_waitid, P_PID, s->pid, (long)info, WNOHANG_EXITED_NOWAIT, 0, 0);
  return info[0] == 0;
}

// Waits for the call that was begun last; gives its result.
__attribute__((used)) static long finish(struct stub *s) {
  while (state_of(s) != DONE) {
    await_state(s, DONE, &s->parent);
    if (s->parent.in_vain == MOVES_AFTER && s->place == ANYWHERE) {
      s->place = may_use_all_processors() ? AWAY : AS_GIVEN;
      if (s->place == AWAY) use_all_but(s->pid, current_processor());
    }
    if (state_of(s) != DONE && !has_child(s) && state_of(s) != DONE) return GONE;
  }
  return s->result;
}

// Has the child carry out a call. One whose result nobody asked for may still go on.
__attribute__((used)) static long begin(struct stub *s, long number, long a, long b, long c, long d, long e, long f) {
  const long args[6] = {a, b, c, d, e, f};
  if (state_of(s) == CALLED && finish(s) == GONE) return GONE;
  s->number = number;
  memcpy(s->args, args, sizeof args);
  change_state(s, CALLED, &s->child);
  return 0;
}

__attribute__((used)) static long delegate(struct stub *s, long number, long a, long b, long c, long d, long e, long f) {
  return begin(s, number, a, b, c, d, e, f) == GONE ? GONE : finish(s);
}

// Leaves calls to the child, of which the last is to make another program of it. Where one fails, it ends.
__attribute__((used)) static void post(struct stub *s, const struct listed *calls, long count) {
  if (state_of(s) == CALLED) finish(s);
  if (s->place == AWAY) use_all_but(s->pid, NO_PROCESSOR);
  s->number = POSTED;
  s->args[0] = (long)calls;
  s->args[1] = count;
  change_state(s, CALLED, &s->child);
}

// Has the child carry out calls, one after the other; each gets its result.
__attribute__((used)) static long all(struct stub *s, struct listed *calls, long count) {
  return delegate(s, ALL, (long)calls, count, 0, 0, 0, 0);
}
