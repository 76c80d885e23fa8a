/** What a container's own command and each `exec` in it have in common. */
import { onAdopted } from "../../ffi/adopted.ts";
import { CAPABILITIES, getCapabilities, inUserNamespace } from "../../ffi/credentials.ts";
import { isAbsolute } from "../../ffi/path.ts";
import type { CapabilityNames, Process } from "../runtime/spec.ts";
import type { ContainerConfig } from "../store/container-config.ts";
import { EngineError } from "./errors.ts";

/** What docker leaves a container of root's capabilities. */
// biome-ignore format: a table
const DEFAULT_CAPABILITIES = [
  "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
];
/** Whether root in the container is another user than root here. */
export const hasUserNamespace = ({ idMappings }: Pick<ContainerConfig, "idMappings">) => idMappings !== undefined || inUserNamespace();

/**
 * What `exec` and the container's own command have in common.
 *
 * @param linked variables of those that it is linked to
 */
export function buildProcess(config: ContainerConfig, args: string[], linked: string[] = []): Process {
  return {
    terminal: config.tty,
    ...(config.tty && config.consoleSize && { consoleSize: config.consoleSize }),
    user: { uid: 0, gid: 0 },
    args,
    env: [`HOSTNAME=${config.hostname}`, ...(config.tty ? ["TERM=xterm"] : []), ...linked, ...config.env],
    cwd: config.workingDir,
    capabilities: buildCapabilities(config),
    rlimits: config.ulimits.map(({ name, soft, hard }) => ({ type: `RLIMIT_${name.toUpperCase()}`, soft, hard })),
    oomScoreAdj: config.oomScoreAdj ?? 0,
    ...(config.security?.apparmor && config.security.apparmor !== "unconfined" && { apparmorProfile: config.security.apparmor }),
    noNewPrivileges: config.security?.noNewPrivileges === true,
  };
}

/** Capabilities of a container, or of an `exec --privileged` in one. */
export function buildCapabilities(config: Pick<ContainerConfig, "privileged" | "capAdd" | "capDrop">): CapabilityNames {
  const all = CAPABILITIES as readonly string[];
  let names = new Set<string>(config.privileged || config.capAdd.includes("ALL") ? all : DEFAULT_CAPABILITIES);
  if (config.capDrop.includes("ALL")) names = new Set(config.capAdd.includes("ALL") ? all : []);
  for (const name of config.capDrop) names.delete(name);
  for (const name of config.capAdd) if (name !== "ALL") names.add(name);
  // What this host cannot give is left out, see missingCapabilities.
  const absent = absentHere();
  const given = all.filter((name) => names.has(name) && !absent.includes(name));
  return { bounding: given, effective: given, permitted: given };
}

let absentCapabilities: string[] | undefined;
onAdopted(() => {
  absentCapabilities = undefined;
});

// What this process has not, and so cannot give.
function absentHere(): string[] {
  if (!absentCapabilities) {
    const all = (1n << BigInt(CAPABILITIES.length)) - 1n;
    const absent = all & ~getCapabilities().permitted;
    absentCapabilities = absent === 0n ? [] : CAPABILITIES.filter((_, n) => absent & (1n << BigInt(n)));
  }
  return absentCapabilities;
}

/** Which of the capabilities a container is to have this host has not. Throws {@link EngineError} for one that was asked for by name. */
export function missingCapabilities({ privileged, capAdd }: Pick<ContainerConfig, "privileged" | "capAdd">): string[] {
  const missing = absentHere();
  const named = capAdd.find((name) => missing.includes(name));
  if (named !== undefined) throw new EngineError(`cannot add capability ${named}: this process has it not, so it cannot give it away`);
  return privileged || capAdd.includes("ALL") ? missing : [];
}

/** The absolute form of a working folder that was given relative to the container's. */
export function absoluteIn(base: string, path: string): string {
  return isAbsolute(path) ? path : `${base.replace(/\/$/, "")}/${path}`;
}
