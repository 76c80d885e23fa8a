/** Seccomp profiles in docker's format: with parts that depend on capabilities, architecture and kernel (moby, profiles/seccomp). */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { reasonOf } from "../../../ffi/libc.ts";
import type { Seccomp, SeccompRule } from "../../runtime/seccomp/compile.ts";
import { EngineError } from "../errors.ts";
import defaultProfile from "./default-profile.json";

interface Condition {
  caps?: string[];
  arches?: string[];
  /** As `4.8`. */
  minKernel?: string;
}

export interface Profile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures: string[] | null }[];
  flags?: string[];
  syscalls?: (SeccompRule & { includes?: Condition; excludes?: Condition })[];
}

/** Docker's default: an allow list. */
export const DEFAULT_PROFILE = defaultProfile as unknown as Profile;

/** Reads a profile, docker's or OCI's. Throws {@link EngineError}. */
export function readProfile(path: string): Profile {
  let profile: Partial<Profile>;
  try {
    profile = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new EngineError(`opening seccomp profile (${path}) failed: ${reasonOf(error)}`);
  }
  if (typeof profile?.defaultAction !== "string") throw new EngineError(`seccomp profile ${path} has no defaultAction`);
  return profile as Profile;
}

const own = process.arch === "arm64" ? { go: "arm64", seccomp: "SCMP_ARCH_AARCH64" } : { go: "amd64", seccomp: "SCMP_ARCH_X86_64" };

function isKernelAtLeast(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [ownMajor = 0, ownMinor = 0] = release()
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/** What of a profile holds for a container with these capabilities. */
export function resolveProfile(profile: Profile, capabilities: readonly string[]): Seccomp {
  const meets = ({ caps, arches, minKernel }: Condition) =>
    (!caps || caps.every((name) => capabilities.includes(name))) &&
    (!arches || arches.includes(own.go)) &&
    (!minKernel || isKernelAtLeast(minKernel));
  const isExcluded = ({ caps, arches, minKernel }: Condition) =>
    (caps ?? []).some((name) => capabilities.includes(name)) ||
    (arches ?? []).includes(own.go) ||
    (minKernel !== undefined && isKernelAtLeast(minKernel));
  const mapped = profile.archMap?.find(({ architecture }) => architecture === own.seccomp);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet !== undefined && { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(profile.flags && { flags: profile.flags }),
    architectures: profile.architectures ?? [own.seccomp, ...(mapped?.subArchitectures ?? [])],
    syscalls: (profile.syscalls ?? [])
      .filter(({ includes, excludes }) => meets(includes ?? {}) && !isExcluded(excludes ?? {}))
      .map(({ names, action, errnoRet, args }) => ({ names, action, ...(errnoRet !== undefined && { errnoRet }), ...(args && { args }) })),
  };
}
