/** A profile made ready, to be installed at the last moment. */
import { encodeFilter, installFilter, SECCOMP_FLAGS } from "../../../ffi/seccomp.ts";
import { RuntimeFailure } from "../errors.ts";
import { compileSeccomp, type Seccomp } from "./compile.ts";

/** Compiles a profile for this machine; the result installs it. Throws `RuntimeFailure`. */
export function prepareSeccomp(seccomp: Seccomp): () => void {
  const filter = encodeFilter(compileSeccomp(seccomp, process.arch === "arm64" ? "aarch64" : "x86_64"));
  const flags = (seccomp.flags ?? []).reduce((bits, name) => {
    const flag = SECCOMP_FLAGS[name];
    if (flag === undefined) throw new RuntimeFailure(`seccomp flag ${name} is not supported`);
    return bits | flag;
  }, 0);
  return () => installFilter(filter, flags);
}
