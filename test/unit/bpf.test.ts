import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { compileDeviceRules } from "../../src/runtime/cgroup/device-program.ts";
import { findHierarchies } from "../../src/runtime/cgroup/hierarchy.ts";
import { CgroupV2 } from "../../src/runtime/cgroup/v2.ts";
import { compileSeccomp, type Instruction, type Seccomp } from "../../src/runtime/seccomp/compile.ts";
import { syscallTable } from "../../src/runtime/seccomp/syscalls.ts";

const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const X86_64 = 0xc000003e;

/** What the kernel's interpreter would give for a call. */
function evaluate(program: Instruction[], nr: number, args: bigint[] = [], arch = X86_64): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr, 0);
  data.writeUInt32LE(arch, 4);
  args.forEach((arg, i) => {
    data.writeBigUInt64LE(BigInt.asUintN(64, arg), 16 + i * 8);
  });
  let a = 0;
  for (let pc = 0, steps = 0; steps < 5000; steps++) {
    const { code, jt, jf, k } = program[pc++] as Instruction;
    if (code === 0x20) a = data.readUInt32LE(k);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x06) return k >>> 0;
    else if (code === 0x05) pc += k;
    else pc += { 21: a === k >>> 0, 37: a > k >>> 0, 53: a >= k >>> 0 }[code] ? jt : jf;
  }
  throw new Error("the program does not end");
}

describe("seccomp programs", () => {
  const nr = (name: string) => syscallTable("x86_64").get(name) as number;
  const deny: Seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    syscalls: [
      { names: ["read", "write", "openat", "nonsense"], action: "SCMP_ACT_ALLOW" },
      { names: ["personality"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 0, op: "SCMP_CMP_EQ" }] },
      { names: ["personality"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 8, op: "SCMP_CMP_EQ" }] },
      { names: ["clone"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] },
      { names: ["statx"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    ],
  };

  test("allow lists, arguments, errno values, the unknown", () => {
    const program = compileSeccomp(deny, "x86_64");
    for (const name of ["read", "write", "openat"]) expect(evaluate(program, nr(name))).toBe(ALLOW);
    for (const name of ["mount", "close", "reboot"]) expect(evaluate(program, nr(name))).toBe(ERRNO | 1);
    expect([0n, 8n, 4n, 0x100000000n].map((arg) => evaluate(program, nr("personality"), [arg]))).toEqual([ALLOW, ALLOW, ERRNO | 1, ERRNO | 1]);
    expect(evaluate(program, nr("clone"), [0x11n])).toBe(ALLOW);
    expect(evaluate(program, nr("clone"), [0x10000000n])).toBe(ERRNO | 1);
    expect(evaluate(program, nr("statx"))).toBe(ERRNO | 38);
    expect(evaluate(program, 5000)).toBe(ERRNO | 38); // newer than the profile: as if the kernel lacked it
  });

  test("other architectures: i386 by its own numbers, x32 and strangers killed", () => {
    const program = compileSeccomp(deny, "x86_64");
    expect(evaluate(program, syscallTable("x86").get("read") as number, [], 0x40000003)).toBe(ALLOW);
    expect(evaluate(program, syscallTable("x86").get("mount") as number, [], 0x40000003)).toBe(ERRNO | 1);
    expect(evaluate(program, 0x40000000)).toBe(0x80000000);
    expect(evaluate(program, 0, [], 0x1234)).toBe(0x80000000);
    expect(evaluate(compileSeccomp({ ...deny, architectures: ["SCMP_ARCH_X32"] }, "x86_64"), 0x40000000)).toBe(ALLOW);
  });

  test.each([
    ["SCMP_CMP_EQ", [5n], [4n, 6n, 0x100000005n]],
    ["SCMP_CMP_NE", [4n, 6n, 0x100000005n], [5n]],
    ["SCMP_CMP_GT", [6n, 0x100000000n], [5n, 4n]],
    ["SCMP_CMP_GE", [5n, 6n, 0x100000000n], [4n]],
    ["SCMP_CMP_LT", [4n, 0n], [5n, 6n, 0x100000000n]],
    ["SCMP_CMP_LE", [5n, 4n], [6n, 0x100000001n]],
  ] as const)("%s compares 64 bits", (op, holds, fails) => {
    const program = compileSeccomp(
      { defaultAction: "SCMP_ACT_KILL", syscalls: [{ names: ["kill"], action: "SCMP_ACT_ALLOW", args: [{ index: 1, value: 5, op }] }] },
      "x86_64",
    );
    for (const arg of holds) expect(evaluate(program, nr("kill"), [0n, arg])).toBe(ALLOW);
    for (const arg of fails) expect(evaluate(program, nr("kill"), [0n, arg])).toBe(0);
  });

  test("numbers of all architectures", () => {
    expect([syscallTable("x86_64").get("openat2"), syscallTable("x86").get("openat2"), syscallTable("aarch64").get("openat2")]).toEqual([
      437, 437, 437,
    ]);
    expect([syscallTable("x86_64").get("mmap"), syscallTable("x86").get("mmap2"), syscallTable("aarch64").get("mmap")]).toEqual([9, 192, 222]);
    expect(syscallTable("aarch64").get("fork")).toBeUndefined();
  });
});

describe("device programs", () => {
  test("the last rule that fits decides", () => {
    const program = compileDeviceRules([
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 1, minor: 3, access: "rw" },
    ]);
    expect(program.length).toBeGreaterThan(10);
    expect(program.at(-1)).toEqual({ code: 0x95 });
  });

  const { v2 } = findHierarchies();
  test.skipIf(!v2 || process.getuid?.() !== 0)("the kernel takes it and keeps to it", () => {
    const name = `/berth-unit-${process.pid}`;
    const cgroup = new CgroupV2(v2 as NonNullable<typeof v2>, name);
    const folder = `${v2?.path}${name}`;
    if (!existsSync(folder)) mkdirSync(folder);
    const attempt = () => {
      const script = `echo $$ > ${folder}/cgroup.procs; for d in null zero full; do head -c 1 /dev/$d >/dev/null 2>&1; printf '%s ' $?; done; echo x 2>/dev/null > /dev/null; echo $?`;
      return Bun.spawnSync(["bash", "-c", script]).stdout.toString().trim();
    };
    try {
      expect(attempt()).toBe("0 0 0 0");
      const none = { allow: false, access: "rwm" } as const;
      cgroup.apply({ devices: [none, { allow: true, type: "c", major: 1, minor: 3, access: "r" }, { allow: true, type: "c", major: 1, minor: 5 }] });
      // /dev/null is where the shell sends output, so reading alone does not help it.
      expect(attempt().split(" ").at(-1)).toBe("1");
      cgroup.apply({ devices: [none, { allow: true, type: "c", major: 1, minor: 3 }, { allow: true, type: "c", major: 1, minor: 5 }] });
      expect(attempt()).toBe("0 0 1 0");
      cgroup.apply({ devices: [{ allow: true, access: "rwm" }] });
      expect(attempt()).toBe("0 0 0 0");
    } finally {
      rmdirSync(folder);
    }
  });
});
