/**
 * Compiles the `linux.seccomp` object of config.json to a classic BPF program
 * (seccomp(2), linux/filter.h): by architecture, then a binary search over system call
 * numbers, then comparisons of arguments.
 */
import { RuntimeFailure } from "../errors.ts";
import { type Architecture, syscallTable } from "./syscalls.ts";

/** config-linux.md, "Seccomp". */
export interface Seccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: SeccompRule[];
}

export interface SeccompRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
}

/** struct sock_filter, one instruction. */
export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

/** linux/audit.h */
const AUDIT_ARCH: Record<Architecture, number> = { x86_64: 0xc000003e, x86: 0x40000003, x32: 0xc000003e, aarch64: 0xc00000b7 };
const ARCHITECTURES: Record<string, Architecture> = {
  SCMP_ARCH_X86_64: "x86_64",
  SCMP_ARCH_X86: "x86",
  SCMP_ARCH_X32: "x32",
  SCMP_ARCH_AARCH64: "aarch64",
};
const X32_BIT = 0x40000000;

/** linux/seccomp.h */
const RET_KILL_PROCESS = 0x80000000;
const RET_ERRNO = 0x00050000;
const ENOSYS = 38;
const ACTIONS: Record<string, number> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: RET_KILL_PROCESS,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: RET_ERRNO,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const EPERM = 1;

/** BPF_LD|W|ABS, BPF_JMP|JA, JEQ|K, JGE|K, JGT|K, BPF_ALU|AND|K, BPF_RET|K (linux/bpf_common.h). */
const LD = 0x20;
const JA = 0x05;
const JEQ = 0x15;
const JGT = 0x25;
const JGE = 0x35;
const AND = 0x54;
const RET = 0x06;
/** Offsets in struct seccomp_data. */
const NR = 0;
const ARCH = 4;
const ARGS = 16;

function actionOf(action: string, errno: number | undefined): number {
  if (action === "SCMP_ACT_NOTIFY") throw new RuntimeFailure("seccomp action SCMP_ACT_NOTIFY is not supported");
  const value = ACTIONS[action];
  if (value === undefined) throw new RuntimeFailure(`unknown seccomp action ${action}: expected one of ${Object.keys(ACTIONS).join(", ")}`);
  const carriesErrno = action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE";
  return carriesErrno ? value | ((errno ?? EPERM) & 0xffff) : value;
}

type Comparison = NonNullable<SeccompRule["args"]>[number];
/** What is decided for one system call: the first whose comparisons all hold. */
type Decision = { comparisons: Comparison[]; action: number }[];

/** The program. Throws {@link RuntimeFailure} on what it does not know. */
export function compileSeccomp(seccomp: Seccomp, native: Architecture): Instruction[] {
  if (seccomp.listenerPath) throw new RuntimeFailure("seccomp listenerPath is not supported");
  const fallback = actionOf(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const wanted = new Set<Architecture>([native]);
  for (const name of seccomp.architectures ?? []) {
    const architecture = ARCHITECTURES[name];
    // Of machines this is not: nothing of theirs can run here.
    if (architecture && (architecture === "aarch64") === (native === "aarch64")) wanted.add(architecture);
  }
  const program: Instruction[] = [{ code: LD, jt: 0, jf: 0, k: ARCH }];
  for (const architecture of ["x86_64", "aarch64", "x86"] as const) {
    if (!wanted.has(architecture)) continue;
    const section: Instruction[] = [{ code: LD, jt: 0, jf: 0, k: NR }];
    if (architecture === "x86_64") {
      // x32 shares the audit number; its calls have a bit of their own.
      const x32 = wanted.has("x32") ? search(decisions(seccomp, "x32", fallback), fallback, X32_BIT) : [ret(RET_KILL_PROCESS)];
      section.push({ code: JGE, jt: 0, jf: 1, k: X32_BIT }, { code: JA, jt: 0, jf: 0, k: 0 });
      const main = search(decisions(seccomp, "x86_64", fallback), fallback, 0);
      (section[section.length - 1] as Instruction).k = main.length;
      section.push(...main, ...x32);
    } else section.push(...search(decisions(seccomp, architecture, fallback), fallback, 0));
    program.push({ code: JEQ, jt: 1, jf: 0, k: AUDIT_ARCH[architecture] }, { code: JA, jt: 0, jf: 0, k: section.length }, ...section);
  }
  program.push(ret(RET_KILL_PROCESS));
  if (program.length > 4096) throw new RuntimeFailure(`the seccomp filter has ${program.length} instructions, the kernel takes 4096`);
  return program;
}

const ret = (k: number): Instruction => ({ code: RET, jt: 0, jf: 0, k });

function decisions(seccomp: Seccomp, architecture: Architecture, fallback: number): Map<number, Decision> {
  const table = syscallTable(architecture);
  const result = new Map<number, Decision>();
  for (const rule of seccomp.syscalls ?? []) {
    const action = actionOf(rule.action, rule.errnoRet);
    if (action === fallback) continue;
    for (const comparisons of alternatives(rule.args ?? [])) {
      for (const name of rule.names) {
        const number = table.get(name);
        if (number === undefined) continue; // not on this architecture, or newer than the tables
        const decision = result.get(number) ?? [];
        decision.push({ comparisons, action });
        result.set(number, decision);
      }
    }
  }
  return result;
}

// Several comparisons of one argument in a rule mean any of them, as runc has it.
function alternatives(args: Comparison[]): Comparison[][] {
  const indices = new Set(args.map((arg) => arg.index));
  return indices.size < args.length ? args.map((arg) => [arg]) : [args];
}

/** A binary search over ranges of numbers that share a decision. */
function search(byNumber: Map<number, Decision>, fallback: number, base: number): Instruction[] {
  const numbers = [...byNumber.keys()].sort((a, b) => a - b);
  const known = Math.max(...numbers, 0);
  const leaves: { from: number; key: string; code: Instruction[] }[] = [];
  const add = (from: number, code: Instruction[]) => {
    const key = JSON.stringify(code);
    if (leaves.at(-1)?.key !== key) leaves.push({ from: from + base, key, code });
  };
  let next = 0;
  for (const number of numbers) {
    if (number > next) add(next, [ret(fallback)]);
    add(number, decide(byNumber.get(number) ?? [], fallback));
    next = number + 1;
  }
  // A call newer than the profile knows is one the kernel lacks: libraries then try an older one.
  const isErrno = (fallback & 0xffff0000) === RET_ERRNO;
  add(next, [ret(isErrno && known > 0 ? RET_ERRNO | ENOSYS : fallback)]);
  return tree(leaves);
}

function tree(leaves: { from: number; code: Instruction[] }[]): Instruction[] {
  if (leaves.length <= 1) return leaves[0]?.code ?? [];
  const middle = leaves.length >> 1;
  const left = tree(leaves.slice(0, middle));
  const right = tree(leaves.slice(middle));
  // Conditional jumps reach 255 instructions, JA any number.
  return [{ code: JGE, jt: 0, jf: 1, k: leaves[middle]?.from ?? 0 }, { code: JA, jt: 0, jf: 0, k: left.length }, ...left, ...right];
}

function decide(decision: Decision, fallback: number): Instruction[] {
  const code: Instruction[] = [];
  for (const { comparisons, action } of decision) {
    if (comparisons.length === 0) return [...code, ret(action)];
    // From the last to the first, each knowing how far it is to the next alternative.
    let body: Instruction[] = [ret(action)];
    for (const comparison of comparisons.toReversed()) body = [...compare(comparison, body.length), ...body];
    code.push(...body);
  }
  return [...code, ret(fallback)];
}

// Falls through where the comparison holds, else jumps over `skip` more instructions.
function compare({ index, value, valueTwo, op }: Comparison, skip: number): Instruction[] {
  if (index < 0 || index > 5) throw new RuntimeFailure(`seccomp argument index ${index}: expected 0 to 5`);
  const low = (v: number) => Number(BigInt.asUintN(32, BigInt(v)));
  const high = (v: number) => Number(BigInt.asUintN(32, BigInt(v) >> 32n));
  const load = (half: 0 | 4): Instruction => ({ code: LD, jt: 0, jf: 0, k: ARGS + index * 8 + half });
  const jump = (code: number, k: number, jt: number, jf: number): Instruction => ({ code, jt, jf, k });
  const [h, l] = [high(value), low(value)];
  switch (op) {
    case "SCMP_CMP_EQ":
      return [load(4), jump(JEQ, h, 0, 2 + skip), load(0), jump(JEQ, l, 0, skip)];
    case "SCMP_CMP_NE":
      return [load(4), jump(JEQ, h, 0, 2), load(0), jump(JEQ, l, skip, 0)];
    case "SCMP_CMP_GT":
      return [load(4), jump(JGT, h, 3, 0), jump(JEQ, h, 0, 2 + skip), load(0), jump(JGT, l, 0, skip)];
    case "SCMP_CMP_GE":
      return [load(4), jump(JGT, h, 3, 0), jump(JEQ, h, 0, 2 + skip), load(0), jump(JGE, l, 0, skip)];
    case "SCMP_CMP_LT":
      return [load(4), jump(JGT, h, 3 + skip, 0), jump(JEQ, h, 0, 2), load(0), jump(JGE, l, skip, 0)];
    case "SCMP_CMP_LE":
      return [load(4), jump(JGT, h, 3 + skip, 0), jump(JEQ, h, 0, 2), load(0), jump(JGT, l, skip, 0)];
    case "SCMP_CMP_MASKED_EQ": {
      const [wantedHigh, wantedLow] = [high(valueTwo ?? 0), low(valueTwo ?? 0)];
      const and = (k: number): Instruction => ({ code: AND, jt: 0, jf: 0, k });
      return [load(4), and(h), jump(JEQ, wantedHigh, 0, 3 + skip), load(0), and(l), jump(JEQ, wantedLow, 0, skip)];
    }
    default:
      throw new RuntimeFailure(`unknown seccomp comparison ${op}`);
  }
}
