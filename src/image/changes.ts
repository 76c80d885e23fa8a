/** Dockerfile instructions that change an image's configuration, as `import -c` takes them. */
import type { ImageConfig } from "../store/images.ts";
import { jsonList } from "./dockerfile.ts";

type RunConfig = NonNullable<ImageConfig["config"]>;

/** An instruction that cannot be applied. */
export class ChangeError extends Error {
  override name = "ChangeError";
}

/** Applies one instruction, e.g. `CMD ["sh"]`. Throws {@link ChangeError}. */
export function applyChange(config: RunConfig, change: string): void {
  const [, word = "", rest = ""] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(change) ?? [];
  if (rest === "") throw new ChangeError(`invalid change ${JSON.stringify(change)}: expected an instruction and its value`);
  switch (word.toUpperCase()) {
    case "CMD":
      config.Cmd = command(rest);
      break;
    case "ENTRYPOINT":
      config.Entrypoint = command(rest);
      break;
    case "ENV":
      for (const [name, value] of pairs(rest, change))
        config.Env = [...(config.Env ?? []).filter((v) => !v.startsWith(`${name}=`)), `${name}=${value}`];
      break;
    case "LABEL":
      for (const [name, value] of pairs(rest, change)) config.Labels = { ...config.Labels, [name]: value };
      break;
    case "USER":
      config.User = rest;
      break;
    case "WORKDIR":
      config.WorkingDir = rest.startsWith("/") ? rest : `${config.WorkingDir ?? ""}/${rest}`;
      break;
    case "VOLUME":
      for (const path of list(rest)) config.Volumes = { ...config.Volumes, [path]: {} };
      break;
    case "EXPOSE":
      for (const port of list(rest)) config.ExposedPorts = { ...config.ExposedPorts, [port.includes("/") ? port : `${port}/tcp`]: {} };
      break;
    case "STOPSIGNAL":
      config.StopSignal = rest;
      break;
    default:
      throw new ChangeError(
        `${word} is not a valid change command: expected CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR`,
      );
  }
}

const command = (text: string) => jsonList(text) ?? ["/bin/sh", "-c", text];
const list = (text: string) => jsonList(text) ?? text.split(/\s+/);

// `A=b C="d e"`, or `A b c` with everything after the name as its value.
function pairs(text: string, change: string): [string, string][] {
  if (!/^[^\s="]+=/.test(text)) {
    const [, name, value] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? [];
    if (name === undefined || value === undefined) throw new ChangeError(`invalid change ${JSON.stringify(change)}: expected NAME=VALUE`);
    return [[name, value]];
  }
  return [...text.matchAll(/([^\s=]+)=((?:"(?:\\.|[^"])*"|'[^']*'|\\.|[^\s])*)/g)].map(([, name = "", value = ""]) => [
    name,
    value.replace(
      /"((?:\\.|[^"])*)"|'([^']*)'|\\(.)/g,
      (_, double?: string, single?: string, escaped?: string) => double?.replace(/\\(.)/g, "$1") ?? single ?? escaped ?? "",
    ),
  ]);
}
