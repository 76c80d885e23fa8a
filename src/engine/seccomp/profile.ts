/** Seccomp profiles in docker's format: with parts that depend on capabilities, architecture and kernel (moby, profiles/seccomp). */
import { readFileSync } from "../../../ffi/files.ts";
import { isKernelAtLeast } from "../../../ffi/kernel-features.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import type { Seccomp, SeccompRule } from "../../runtime/seccomp/compile.ts";
import { knownSyscalls } from "../../runtime/seccomp/syscalls.ts";
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
  let profile: unknown;
  try {
    profile = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new EngineError(`opening seccomp profile (${path}) failed: ${reasonOf(error)}`);
  }
  const wrong = shapeError(profile);
  if (wrong) throw new EngineError(`seccomp profile ${path}: ${wrong}`);
  checkNames(path, profile as Profile);
  return profile as Profile;
}

const isTextList = (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === "string");
const isOptional = (value: unknown, test: (value: unknown) => boolean) => value === undefined || value === null || test(value);
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

// What is not as it should be, in words; undefined where all is.
function shapeError(profile: unknown): string | undefined {
  if (!isRecord(profile)) return "expected a JSON object";
  if (typeof profile.defaultAction !== "string") return "no defaultAction";
  for (const key of ["architectures", "flags"]) if (!isOptional(profile[key], isTextList)) return `${key}: expected a list of names`;
  if (!isOptional(profile.archMap, (value) => Array.isArray(value) && value.every(isArchitecture)))
    return "archMap: expected a list of objects with architecture and subArchitectures";
  if (!isOptional(profile.syscalls, Array.isArray)) return "syscalls: expected a list";
  for (const [i, rule] of ((profile.syscalls ?? []) as unknown[]).entries()) {
    const where = `syscalls[${i}]`;
    if (!isRecord(rule) || !isTextList(rule.names)) return `${where}: expected an object with a list of names`;
    if (typeof rule.action !== "string") return `${where}: no action`;
    if (!isOptional(rule.args, (value) => Array.isArray(value) && value.every(isArgument)))
      return `${where}.args: expected objects with index, value and op`;
    for (const key of ["includes", "excludes"]) if (!isOptional(rule[key], isCondition)) return `${where}.${key}: expected caps, arches or minKernel`;
  }
  return undefined;
}

const isArchitecture = (value: unknown) => isRecord(value) && isOptional(value.subArchitectures, isTextList);
const isArgument = (value: unknown) =>
  isRecord(value) &&
  typeof value.op === "string" &&
  [value.index, value.value].every((number) => Number.isSafeInteger(number) && (number as number) >= 0);
const isCondition = (value: unknown) =>
  isRecord(value) &&
  isOptional(value.caps, isTextList) &&
  isOptional(value.arches, isTextList) &&
  isOptional(value.minKernel, (kernel) => typeof kernel === "string");

// A name that no machine knows allows nothing; refused, it would be open all the same.
function checkNames(path: string, { defaultAction, syscalls }: Profile): void {
  const known = new Set([...knownSyscalls(), ...(DEFAULT_PROFILE.syscalls ?? []).flatMap(({ names }) => names)]);
  const isOpen = defaultAction === "SCMP_ACT_ALLOW" || defaultAction === "SCMP_ACT_LOG";
  if (!isOpen) return;
  for (const { names, action } of syscalls ?? []) {
    const unknown = names.find((name) => !known.has(name));
    if (unknown !== undefined && action !== "SCMP_ACT_ALLOW")
      throw new EngineError(`seccomp profile ${path}: there is no system call ${JSON.stringify(unknown)}`);
  }
}

const own = process.arch === "arm64" ? { go: "arm64", seccomp: "SCMP_ARCH_AARCH64" } : { go: "amd64", seccomp: "SCMP_ARCH_X86_64" };

/** What of a profile holds for a container with these capabilities. */
export function resolveProfile(profile: Profile, capabilities: readonly string[]): Seccomp {
  const meets = ({ caps, arches, minKernel }: Condition) =>
    (!caps || caps.every((name) => capabilities.includes(name))) &&
    (!arches || arches.includes(own.go)) &&
    (!minKernel || isKernelAtLeast(minKernel));
  const isExcluded = ({ caps, arches, minKernel }: Condition) =>
    (caps ?? []).some((name) => capabilities.includes(name)) || (arches ?? []).includes(own.go) || (minKernel ? isKernelAtLeast(minKernel) : false);
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
