/** eBPF programs on cgroups (bpf(2), linux/bpf.h). */
import { OwnedFd } from "./fd.ts";
import { addressOf, call, hasCode } from "./libc.ts";

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_DETACH = 9;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_PROG_QUERY = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;
/** As many programs of one kind as the kernel lets a cgroup have. */
const MAX_PROGRAMS = 64;

/** struct bpf_insn. */
export interface BpfInstruction {
  code: number;
  dst?: number;
  src?: number;
  off?: number;
  imm?: number;
}

function encode(program: BpfInstruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, dst = 0, src = 0, off = 0, imm = 0 }, i) => {
    bytes.writeUInt8(code, i * 8);
    bytes.writeUInt8((src << 4) | dst, i * 8 + 1);
    bytes.writeInt16LE(off, i * 8 + 2);
    bytes.writeInt32LE(imm | 0, i * 8 + 4);
  });
  return bytes;
}

function loadDeviceProgram(program: BpfInstruction[]): OwnedFd {
  const instructions = encode(program);
  const license = Buffer.from("Apache-2.0\0");
  const attributes = Buffer.alloc(48); // union bpf_attr: type, count, instructions, license
  attributes.writeUInt32LE(BPF_PROG_TYPE_CGROUP_DEVICE, 0);
  attributes.writeUInt32LE(program.length, 4);
  attributes.writeBigUInt64LE(addressOf(instructions), 8);
  attributes.writeBigUInt64LE(addressOf(license), 16);
  const fd = call("bpf", BPF_PROG_LOAD, attributes, attributes.length);
  return new OwnedFd(instructions.length + license.length > 0 ? fd : -1); // keeps both alive over the call
}

/** Descriptors of the device programs a cgroup has. */
function devicePrograms(cgroup: number): OwnedFd[] {
  const ids = new Uint32Array(MAX_PROGRAMS);
  const query = Buffer.alloc(32); // target_fd, attach_type, query_flags, attach_flags, prog_ids, prog_cnt
  query.writeInt32LE(cgroup, 0);
  query.writeUInt32LE(BPF_CGROUP_DEVICE, 4);
  query.writeBigUInt64LE(addressOf(ids), 16);
  query.writeUInt32LE(ids.length, 24);
  call("bpf", BPF_PROG_QUERY, query, query.length);
  return [...ids.subarray(0, query.readUInt32LE(24))].flatMap((id) => {
    const byId = Buffer.alloc(16);
    byId.writeUInt32LE(id, 0);
    try {
      return [new OwnedFd(call("bpf", BPF_PROG_GET_FD_BY_ID, byId, byId.length))];
    } catch (error) {
      if (hasCode(error, "ENOENT")) return [];
      throw error;
    }
  });
}

/** Makes a program the only one of a cgroup's own that decides on devices; at no moment there is none. */
export function setDeviceProgram(cgroup: number, program: BpfInstruction[]): void {
  const old = devicePrograms(cgroup);
  using loaded = loadDeviceProgram(program);
  const change = (command: number, fd: number, flags: number) => {
    const attributes = Buffer.alloc(16); // target_fd, attach_bpf_fd, attach_type, attach_flags
    attributes.writeInt32LE(cgroup, 0);
    attributes.writeInt32LE(fd, 4);
    attributes.writeUInt32LE(BPF_CGROUP_DEVICE, 8);
    attributes.writeUInt32LE(flags, 12);
    call("bpf", command, attributes, attributes.length);
  };
  change(BPF_PROG_ATTACH, loaded.fd, BPF_F_ALLOW_MULTI);
  for (const program of old) {
    change(BPF_PROG_DETACH, program.fd, 0);
    program.close();
  }
}
