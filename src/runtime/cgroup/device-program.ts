/** Device rules as an eBPF program: what cgroup v2 has in place of v1's devices controller. */
import type { BpfInstruction } from "../../../ffi/bpf.ts";
import type { DeviceRule } from "../spec.ts";

/** struct bpf_cgroup_dev_ctx: access_type (type in the low half, access in the high one), major, minor. */
const TYPES = { b: 1, c: 2 };
const ACCESS: Record<string, number> = { m: 1, r: 2, w: 4 };
const ALL_ACCESS = 7;

/** linux/bpf.h: class, size or operation, mode or source. */
const LDX_W = 0x61;
const MOV32_REG = 0xbc;
const MOV32_IMM = 0xb4;
const AND32_IMM = 0x54;
const RSH32_IMM = 0x74;
const JEQ_IMM = 0x15;
const JNE_IMM = 0x55;
const EXIT = 0x95;
const CONTEXT = 1; // r1 at the start
const [TYPE, REQUESTED, MAJOR, MINOR, SCRATCH] = [2, 3, 4, 5, 6];

/**
 * The program for a list of rules, of which the last that fits decides. An allowing
 * rule fits where it covers all that is requested, a denying one where it covers any.
 */
export function compileDeviceRules(rules: DeviceRule[]): BpfInstruction[] {
  const compiled = rules.toReversed().map(compileRule);
  // What stands behind a rule for everything is never reached, and the verifier refuses such code.
  const last = compiled.findIndex((instructions) => instructions.length === decide(true).length);
  return [
    { code: LDX_W, dst: TYPE, src: CONTEXT, off: 0 },
    { code: MOV32_REG, dst: REQUESTED, src: TYPE },
    { code: AND32_IMM, dst: TYPE, imm: 0xffff },
    { code: RSH32_IMM, dst: REQUESTED, imm: 16 },
    { code: LDX_W, dst: MAJOR, src: CONTEXT, off: 4 },
    { code: LDX_W, dst: MINOR, src: CONTEXT, off: 8 },
    ...(last < 0 ? [...compiled, decide(true)] : compiled.slice(0, last + 1)).flat(),
  ];
}

const decide = (allow: boolean): BpfInstruction[] => [{ code: MOV32_IMM, dst: 0, imm: allow ? 1 : 0 }, { code: EXIT }];

function compileRule(rule: DeviceRule): BpfInstruction[] {
  const tests: BpfInstruction[] = [];
  if (rule.type === "b" || rule.type === "c") tests.push({ code: JNE_IMM, dst: TYPE, imm: TYPES[rule.type] });
  const access = [...(rule.access ?? "rwm")].reduce((bits, letter) => bits | (ACCESS[letter] ?? 0), 0);
  if (access !== ALL_ACCESS) {
    tests.push({ code: MOV32_REG, dst: SCRATCH, src: REQUESTED });
    if (rule.allow) tests.push({ code: AND32_IMM, dst: SCRATCH, imm: ALL_ACCESS & ~access }, { code: JNE_IMM, dst: SCRATCH, imm: 0 });
    else tests.push({ code: AND32_IMM, dst: SCRATCH, imm: access }, { code: JEQ_IMM, dst: SCRATCH, imm: 0 });
  }
  if (rule.major !== undefined && rule.major >= 0) tests.push({ code: JNE_IMM, dst: MAJOR, imm: rule.major });
  if (rule.minor !== undefined && rule.minor >= 0) tests.push({ code: JNE_IMM, dst: MINOR, imm: rule.minor });
  const verdict = decide(rule.allow);
  // Every test that fails jumps behind the verdict, to the next rule.
  const isJump = ({ code }: BpfInstruction) => code === JNE_IMM || code === JEQ_IMM;
  return [...tests.map((test, i) => (isJump(test) ? { ...test, off: tests.length - i - 1 + verdict.length } : test)), ...verdict];
}
