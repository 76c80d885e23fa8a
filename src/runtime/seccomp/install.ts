/** A profile made ready, to be installed at the last moment. */
import { encodeFilter, installFilter, SECCOMP_FLAGS } from "../../../ffi/seccomp.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Seccomp } from "./compile.ts";

/** What is left of a profile for one machine. */
export interface CompiledSeccomp {
  /** Of struct sock_filter, in base64. */
  program: string;
  /** SECCOMP_FILTER_FLAG_* */
  flags: number;
}

/** Compiles a profile for this machine. Throws `RuntimeFailure`. */
export function compileForThisMachine(seccomp: Seccomp): CompiledSeccomp {
  const { compileSeccomp } = require("./compile.ts") as typeof import("./compile.ts"); // init seldom has to
  const filter = encodeFilter(compileSeccomp(seccomp, process.arch === "arm64" ? "aarch64" : "x86_64"));
  const flags = (seccomp.flags ?? []).reduce((bits, name) => {
    const flag = SECCOMP_FLAGS[name];
    if (flag === undefined) throw new RuntimeFailure(`seccomp flag ${name} is not supported`);
    return bits | flag;
  }, 0);
  return { program: filter.toString("base64"), flags };
}

/** The result installs it. Throws `RuntimeFailure`. */
export function prepareSeccomp(seccomp: Seccomp | CompiledSeccomp): () => void {
  const { program, flags } = "program" in seccomp ? seccomp : compileForThisMachine(seccomp);
  return () => installFilter(Uint8Array.fromBase64(program), flags);
}
