/** Devices by the Container Device Interface: what a vendor's specification says a container needs for them (CNCF CDI 0.x). */
import { readdirSync, readFileSync } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { join } from "../../ffi/path.ts";
import type { Hook, Mount, Spec } from "../runtime/spec.ts";
import { EngineError } from "./errors.ts";

/** Later ones win. */
const FOLDERS = ["/etc/cdi", "/var/run/cdi"];
const GPU = "nvidia.com/gpu";
const NAME = /^[a-z][\w.-]*\/[a-z][\w.-]*=[\w.:-]+$/i;

/** Whether `--device` names a device so: `vendor.com/class=name`. */
export const isCdiName = (text: string) => NAME.test(text);

/** What `--gpus` means: `all`, a number of them, or `device=0,1`. */
export function gpuDevices(text: string): string[] | undefined {
  if (text === "all" || text === "-1") return [`${GPU}=all`];
  const [, count, list] = /^(?:(?:count=)?(\d+)|"?device=([\w.:,-]+)"?)$/.exec(text) ?? [];
  if (count !== undefined) return Array.from({ length: Number(count) }, (_, i) => `${GPU}=${i}`);
  return list?.split(",").map((name) => `${GPU}=${name}`);
}

interface Edits {
  env?: string[];
  deviceNodes?: { path: string; hostPath?: string; permissions?: string }[];
  mounts?: { hostPath: string; containerPath: string; options?: string[] }[];
  hooks?: { hookName: keyof NonNullable<Spec["hooks"]>; path: string; args?: string[]; env?: string[]; timeout?: number }[];
  additionalGids?: number[];
}

interface CdiSpec {
  kind: string;
  devices?: { name: string; containerEdits?: Edits }[];
  containerEdits?: Edits;
}

/** What a container gets for its devices. */
export interface CdiEdits {
  env: string[];
  devices: { host: string; container: string; access: string }[];
  mounts: Mount[];
  hooks: NonNullable<Spec["hooks"]>;
  groups: string[];
}

/** Throws {@link EngineError} where no specification has one of them. */
export function resolveCdi(names: string[]): CdiEdits {
  const result: CdiEdits = { env: [], devices: [], mounts: [], hooks: {}, groups: [] };
  if (names.length === 0) return result;
  const specs = readSpecs();
  const used = new Set<CdiSpec>();
  for (const name of names) {
    const [kind, device] = name.split("=");
    const found = specs.flatMap((spec) =>
      spec.kind === kind ? (spec.devices ?? []).flatMap((own) => (own.name === device ? [{ spec, own }] : [])) : [],
    );
    const last = found.at(-1);
    if (!last) throw new EngineError(`unresolvable CDI device ${name}: no specification in ${FOLDERS.join(" or ")} has it`);
    used.add(last.spec);
    add(result, last.own.containerEdits ?? {});
  }
  for (const { containerEdits = {} } of used) add(result, containerEdits);
  return result;
}

function readSpecs(): CdiSpec[] {
  return FOLDERS.flatMap((folder) => {
    let names: string[];
    try {
      names = readdirSync(folder).sort();
    } catch {
      return []; // no such devices here
    }
    return names
      .filter((name) => /\.(json|ya?ml)$/.test(name))
      .map((name) => {
        try {
          const text = readFileSync(join(folder, name), "utf8");
          return (name.endsWith(".json") ? JSON.parse(text) : Bun.YAML.parse(text)) as CdiSpec;
        } catch (error) {
          throw new EngineError(`cannot read the CDI specification ${join(folder, name)}: ${reasonOf(error)}`);
        }
      });
  });
}

function add(result: CdiEdits, { env = [], deviceNodes = [], mounts = [], hooks = [], additionalGids = [] }: Edits): void {
  result.env.push(...env);
  result.groups.push(...additionalGids.map(String));
  for (const { path, hostPath = path, permissions = "rwm" } of deviceNodes)
    result.devices.push({ host: hostPath, container: path, access: permissions });
  for (const { hostPath, containerPath, options = [] } of mounts)
    result.mounts.push({ destination: containerPath, type: "bind", source: hostPath, options: ["rbind", "rprivate", ...options] });
  for (const { hookName, ...hook } of hooks) {
    const list: Hook[] = result.hooks[hookName] ?? [];
    list.push(hook);
    result.hooks[hookName] = list;
  }
}
