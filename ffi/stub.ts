/**
 * A child that carries out system calls for this process, in namespaces of its own (ffi/stub.c). It shares this process's
 * memory, and starts as fast as clone(2) is: what is to become another program is made ready from here, call by call, half a
 * microsecond each.
 */
import type { Pointer } from "bun:ffi";
import { Child, listenForEnds } from "./child.ts";
import { allocate, loadCode } from "./code.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDONLY, type OwnedFd, openat } from "./fd.ts";
import { readdirSync } from "./files.ts";
import { addressOf, type Call, type Carrier, call, callAll, carriedBy, errnoName, SyscallError, tryCall, type Word } from "./libc.ts";
import { CLONE_NEWPID } from "./namespace.ts";
import { I64, I64_FAST, linkSymbols, memoryAt, VOID } from "./native.ts";

/** Of struct stub in ffi/stub.c: bytes, and where its fields are. */
const SIZE = 32768;
const CHANNEL = 8;
const PARENT_END = 12;
const SPINS = 16;
const RESULT = 96;
const FAILED = 104;
const GONE = -4096;
/** 64-bit words of struct listed: number, six arguments, whether it may fail or what it gave. */
const LISTED_WORDS = 8;
const RESULT_WORD = 7;

/** Some fifty microseconds: code that runs for the first time takes so long from one call to the next. */
const SPINS_BESIDE = 3000;

const ESRCH = 3;

/** Whether the child may find a processor beside this one. */
function hasProcessorBeside(): boolean {
  const mask = new Uint8Array(128); // cpu_set_t
  const length = call("sched_getaffinity", 0, mask.length, mask);
  let found = 0;
  for (const byte of mask.subarray(0, length)) for (let bits = byte; bits !== 0; bits &= bits - 1) found++;
  return found > 1;
}

function load() {
  const address = loadCode(BERTH_STUB);
  // Its table of entries.
  const at = (entry: number) => (address + 16 * entry) as Pointer;
  return linkSymbols({
    start: { ptr: at(0), args: [I64, I64, I64, I64], returns: I64_FAST },
    begin: { ptr: at(1), args: [I64, I64, I64, I64, I64, I64, I64, I64], returns: I64_FAST },
    finish: { ptr: at(2), args: [I64], returns: I64_FAST },
    delegate: { ptr: at(3), args: [I64, I64, I64, I64, I64, I64, I64, I64], returns: I64_FAST },
    post: { ptr: at(4), args: [I64, I64, I64], returns: VOID },
    all: { ptr: at(5), args: [I64, I64, I64], returns: I64_FAST },
    freeze: { ptr: at(6), args: [I64], returns: I64_FAST },
  }).symbols;
}

let loaded: ReturnType<typeof load> | undefined;

/** A new one, that of a path, or this process's. */
export type PidNamespace = "new" | { path: string } | undefined;

interface StubOptions {
  /** A socket's two ends: where ours is closed, by the end of this process too, the child ends. */
  channel: number;
  ourEnd: number;
  pidNamespace: PidNamespace;
  /** Whether the processor beside this one is most probably idle. */
  isAlone?: boolean;
}

export class Stub {
  readonly child: Child;
  readonly #address: number;
  readonly #fields: DataView;
  readonly #carrier: Carrier;
  /** What was posted, and all that it points to. */
  #posted: { name: string; memory: readonly unknown[] }[] = [];
  #calls = new BigInt64Array(0);
  #isGone = false;
  /** A call that may still go on. */
  #begun: { name: string; memory: readonly unknown[] } | undefined;
  #beginning: SyscallError | undefined;

  private constructor(address: number, fields: DataView, pid: number) {
    this.#address = address;
    this.#fields = fields;
    this.child = new Child(pid);
    const { begin, delegate, all } = symbolsOf();
    this.#carrier = {
      carry: (name, number, words) => {
        this.#finish();
        if (this.#isGone) return -ESRCH;
        const carryOut = name === "close" ? begin : delegate; // nobody asks how a close went
        return this.#resultOf(Number(carryOut(address, number, words[0], words[1], words[2], words[3], words[4], words[5])));
      },
      carryAll: (words) => {
        this.#finish();
        const calls = BigInt64Array.from(words, BigInt);
        const count = calls.length / LISTED_WORDS;
        if (!this.#isGone) this.#resultOf(Number(all(address, Number(addressOf(calls)), count)));
        const results: number[] = [];
        for (let i = 0; i < count; i++) results.push(this.#isGone ? -ESRCH : Number(calls[LISTED_WORDS * i + RESULT_WORD]));
        return results;
      },
    };
    void this.child.exited.then(() => {
      this.#isGone = true;
      tryCall("munmap", address, SIZE);
    });
  }

  /** @throws {SyscallError} where there can be no such namespace */
  static start({ channel, ourEnd, pidNamespace, isAlone }: StubOptions): Stub {
    const symbols = symbolsOf();
    listenForEnds();
    const address = allocate(SIZE);
    const fields = new DataView(memoryAt(address, SIZE));
    fields.setInt32(CHANNEL, channel, true);
    fields.setInt32(PARENT_END, ourEnd, true);
    fields.setInt32(SPINS, hasProcessorBeside() ? SPINS_BESIDE : 0, true);
    fields.setBigInt64(FAILED, -1n, true);
    const isJoined = typeof pidNamespace === "object";
    using theirs = isJoined ? openat(AT_FDCWD, pidNamespace.path, O_RDONLY) : undefined;
    const pid = Number(symbols.start(address, pidNamespace === "new" ? CLONE_NEWPID : 0, theirs?.fd ?? -1, isAlone ? 1 : 0));
    if (pid > 0) return new Stub(address, fields, pid);
    call("munmap", address, SIZE);
    throw new SyscallError(isJoined ? "setns" : "clone", errnoName(-pid), []);
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Whether it was found dead; from then on its calls fail with ESRCH. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Calls back; until it returns, system calls are the child's. Descriptors that are opened meanwhile are the child's, too. */
  run<T>(action: () => T): T {
    return carriedBy(this.#carrier, action);
  }

  /** Has the child make the one system call of an action, while this process does something else. */
  begin(action: () => void): void {
    const beginner: Carrier = {
      carry: (name, number, words, _mayFail, memory) => {
        this.#begun = { name, memory: [...memory] };
        symbolsOf().begin(this.#address, number, ...words);
        return 0;
      },
    };
    carriedBy(beginner, action);
  }

  /** Waits for what was begun. @throws {SyscallError} that it met */
  settle(): void {
    this.#finish();
    const failure = this.#beginning;
    this.#beginning = undefined;
    if (failure) throw failure;
  }

  #finish(): void {
    if (!this.#begun || this.#isGone) return;
    const { name } = this.#begun;
    const result = this.#resultOf(Number(symbolsOf().finish(this.#address)));
    this.#begun = undefined;
    if (result < 0) this.#beginning = new SyscallError(name, errnoName(-result), []);
  }

  #resultOf(result: number): number {
    if (result !== GONE) return result;
    this.#isGone = true;
    return -ESRCH;
  }

  /**
   * Leaves the system calls of an action, whose results nobody can know, to the child alone; of which the last is to make
   * another program of it. Where one fails that must not, it ends, see {@link failure}.
   */
  post(action: () => void): void {
    if (this.#isGone) return;
    const words: Word[] = [];
    const recorder: Carrier = {
      carry: (name, number, args, mayFail, memory) => {
        words.push(number, ...args, mayFail ? 1 : 0);
        this.#posted.push({ name, memory: [...memory] });
        return 0;
      },
    };
    carriedBy(recorder, action);
    this.#calls = BigInt64Array.from(words, BigInt);
    symbolsOf().post(this.#address, Number(addressOf(this.#calls)), words.length / LISTED_WORDS);
  }

  /**
   * Gives the child these descriptors as 0, 1, 2 and so on, and closes all others but one; to be called by {@link run}.
   *
   * @param numbers with the channel's among them
   * @param kept open until execve(2)
   * @returns the numbers of the channel and of what is kept
   */
  arrange(numbers: readonly number[], kept?: OwnedFd): { channel: number; kept: number } {
    const F_DUPFD_CLOEXEC = 1030;
    const wanted = kept ? [...numbers, kept.fd] : numbers;
    const channel = numbers.indexOf(this.#fields.getInt32(CHANNEL, true));
    const moved = callAll(wanted.map((fd): Call => ["fcntl", fd, F_DUPFD_CLOEXEC, wanted.length]));
    callAll(moved.map((from, to): Call => ["dup3", from, to, to < numbers.length ? 0 : O_CLOEXEC]));
    this.#fields.setInt32(CHANNEL, channel, true);
    if (tryCall("close_range", wanted.length, 0xffffffff, 0) < 0) {
      for (const fd of readdirSync("/proc/self/fd").map(Number)) if (fd >= wanted.length) tryCall("close", fd);
    }
    return { channel, kept: numbers.length };
  }

  /** Of what was posted, what the kernel refused; once the child has ended, or become another program. */
  failure(): SyscallError | undefined {
    if (this.#isGone) return undefined;
    const failed = this.#posted[Number(this.#fields.getBigInt64(FAILED, true))];
    return failed && new SyscallError(failed.name, errnoName(-Number(this.#fields.getBigInt64(RESULT, true))), []);
  }
}

/**
 * Prepares to make a copy of this process that does nothing.
 *
 * @param entry 64-bit words, of which the first two become what the copy's memory is entered by: stack pointer and address
 * @returns gives the copy's number; and 0 once more, in each process that its memory was given to by ffi/restore.h
 */
export function freezer(entry: BigUint64Array): () => number {
  const { freeze } = symbolsOf();
  const address = Number(addressOf(entry));
  return () => Number(freeze(address));
}

function symbolsOf() {
  loaded ??= load();
  return loaded;
}
