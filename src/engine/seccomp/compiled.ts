/** The filter of a container's processes. Compiling one takes longer than all else init does, and few containers have one of their own. */
import { AT_FDCWD, statat } from "../../../ffi/fd.ts";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "../../../ffi/files.ts";
import { release } from "../../../ffi/host.ts";
import { join } from "../../../ffi/path.ts";
import { type CompiledSeccomp, compileForThisMachine } from "../../runtime/seccomp/install.ts";
import type { ContainerConfig } from "../../store/container-config.ts";
import type { Layout } from "../../store/layout.ts";
import type { Profile } from "./profile.ts";

/** Filters that are kept; a host that needs more of them compiles some again. */
const MAX_KEPT = 100;
const DIGEST = 32; // bytes, of what follows: a power cut can leave a file of zeros
const PROGRAM_AT = DIGEST + 4; // behind the flags

/**
 * What init installs, out of the run folder where it was needed before; nothing for a privileged or unconfined container.
 *
 * @param capabilities the container's bounding set: profiles have parts that depend on it
 */
export function compiledSeccomp(
  layout: Layout,
  { privileged, security }: Pick<ContainerConfig, "privileged" | "security">,
  capabilities: readonly string[],
): { seccomp?: CompiledSeccomp } {
  const wanted = security?.seccomp;
  if (privileged || wanted === "unconfined") return {};
  // Another berth may compile it in another way, another kernel has other calls.
  const { ino, mtime } = statat(AT_FDCWD, "/proc/self/exe", true);
  const key = [ino, mtime, release(), ...capabilities, wanted === undefined ? "default" : JSON.stringify(wanted.profile)].join("\0");
  const folder = join(layout.run, "seccomp");
  const path = join(folder, sha256(key));
  const kept = read(path);
  if (kept) return { seccomp: kept };
  const { DEFAULT_PROFILE, resolveProfile } = require("./profile.ts") as typeof import("./profile.ts");
  const profile = wanted === undefined ? DEFAULT_PROFILE : (wanted.profile as Profile);
  const seccomp = compileForThisMachine(resolveProfile(profile, capabilities));
  keep(folder, path, seccomp);
  return { seccomp };
}

const sha256 = (bytes: Uint8Array | string) => Bun.SHA256.hash(bytes, "hex");

function read(path: string): CompiledSeccomp | undefined {
  try {
    const bytes = readFileSync(path);
    if (sha256(bytes.subarray(DIGEST)) !== bytes.toString("hex", 0, DIGEST)) return undefined;
    return { flags: bytes.readUInt32LE(DIGEST), program: bytes.toString("base64", PROGRAM_AT) };
  } catch {
    return undefined;
  }
}

function keep(folder: string, path: string, { program, flags }: CompiledSeccomp): void {
  const head = Buffer.alloc(PROGRAM_AT - DIGEST);
  head.writeUInt32LE(flags);
  const content = Buffer.concat([head, Buffer.from(program, "base64")]);
  const beside = `${path}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const names = readdirSync(folder);
    if (names.length >= MAX_KEPT) for (const name of names) rmSync(join(folder, name), { force: true });
    writeFileSync(beside, Buffer.concat([Buffer.from(sha256(content), "hex"), content]), { mode: 0o600 });
    renameSync(beside, path);
  } catch {
    rmSync(beside, { force: true }); // a full disk: the next one compiles it again
  }
}
