/** Instructions that change an image's configuration and nothing else: a Dockerfile's, and those of `commit -c` and `import -c`. */
import { resolve } from "../../ffi/path.ts";
import type { ImageConfig } from "../store/images.ts";
import { DockerfileError, type Instruction, jsonList, type Lookup, parseInstruction, shellWord, shellWords } from "./dockerfile.ts";

export type RunConfig = NonNullable<ImageConfig["config"]>;
type Healthcheck = NonNullable<RunConfig["Healthcheck"]>;

const DEFAULT_SHELL = ["/bin/sh", "-c"];

/** What runs commands that are no list. */
export const shellOf = ({ Shell = DEFAULT_SHELL }: RunConfig): string[] => Shell;

const COPY_FLAGS = ["from", "chown", "chmod", "link", "exclude"]; // layers are always apart from those below, which is what link asks for
const FLAGS: Record<string, string[]> = {
  RUN: ["mount", "network", "security"],
  COPY: COPY_FLAGS,
  ADD: [...COPY_FLAGS, "checksum"],
  HEALTHCHECK: ["interval", "timeout", "start-period", "start-interval", "retries"],
};

/** Throws {@link DockerfileError}, without a line, where an instruction has a flag that it does not know. */
export function checkFlags({ name, flags }: Instruction): void {
  const unknown = flags.find((flag) => !FLAGS[name]?.includes(flag.name));
  if (unknown) throw new DockerfileError(`${name}: unknown flag: ${unknown.name}`);
}

export interface Configured {
  /** The instruction, with its variables replaced. */
  text: string;
  config: RunConfig;
}

/**
 * A configuration after one more instruction; undefined for an instruction of another kind.
 *
 * @param ownsCommand whether `config.Cmd` was set by an instruction before this one, not by the image below
 * @throws {DockerfileError} without a line
 */
export function configure(config: RunConfig, instruction: Instruction, lookup: Lookup, ownsCommand: boolean): Configured | undefined {
  const { name, rest, line } = instruction;
  const fail = (why: string) => new DockerfileError(`${name}: ${why}`);
  const shell = shellOf(config);
  const words = () => shellWords(rest, lookup);
  const configured = (text: string, change: RunConfig): Configured => ({ text: `${name} ${text}`, config: { ...config, ...change } });
  switch (name) {
    case "ENV":
    case "LABEL": {
      const pairs = pairsOf(rest, lookup);
      if (!pairs) throw fail("must have two arguments: NAME=VALUE");
      const text = pairs.map(([key, value]) => `${key}=${value}`).join(" ");
      if (name === "LABEL") return configured(text, { Labels: { ...config.Labels, ...Object.fromEntries(pairs) } });
      return configured(text, { Env: pairs.reduce(withVariable, config.Env ?? []) });
    }
    case "WORKDIR": {
      const folder = shellWord(rest, lookup);
      if (folder === "") throw fail(`cannot normalize nothing: ${rest} is empty`);
      const path = resolve("/", config.WorkingDir ?? "/", folder);
      return configured(path, { WorkingDir: path });
    }
    case "USER": {
      const user = shellWord(rest, lookup);
      return configured(user, { User: user });
    }
    case "CMD":
    case "ENTRYPOINT": {
      const command = jsonList(rest) ?? (rest === "" ? [] : [...shell, rest]);
      const text = JSON.stringify(command);
      // A new entry point means another command than the base's.
      return name === "CMD"
        ? configured(text, { Cmd: command })
        : configured(text, { Entrypoint: command.length > 0 ? command : null, Cmd: ownsCommand ? (config.Cmd ?? null) : null });
    }
    case "EXPOSE": {
      const ports = words().filter(Boolean).flatMap(portsOf);
      const exposed = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
      return configured(words().join(" "), ports.length > 0 ? { ExposedPorts: exposed } : {});
    }
    case "VOLUME": {
      const paths = jsonList(rest) ?? words();
      if (paths.some((path) => path.trim() === "")) throw fail("can not be an empty string");
      return configured(JSON.stringify(paths), { Volumes: { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) } });
    }
    case "STOPSIGNAL": {
      const signal = shellWord(rest, lookup);
      return configured(signal, { StopSignal: signal });
    }
    case "SHELL": {
      const list = jsonList(rest);
      if (!list || list.length === 0) throw fail('requires the arguments to be in JSON form: SHELL ["executable", "parameters"]');
      return configured(JSON.stringify(list), { Shell: list });
    }
    case "HEALTHCHECK": {
      const check = healthcheck(instruction, fail);
      return configured(JSON.stringify(check), { Healthcheck: check });
    }
    case "ONBUILD": {
      const later = parseInstruction(rest, line);
      if (["ONBUILD", "FROM", "MAINTAINER"].includes(later.name)) throw fail(`${later.name} isn't allowed as an ONBUILD trigger`);
      return configured(rest, { OnBuild: [...(config.OnBuild ?? []), rest] });
    }
    default:
      return undefined;
  }
}

// In the place of the one that has its name.
function withVariable(env: string[], [name, value]: [string, string]): string[] {
  const variable = `${name}=${value}`;
  const at = env.findLastIndex((own) => own.startsWith(`${name}=`));
  return at < 0 ? [...env, variable] : env.with(at, variable);
}

/** As it stands in the Dockerfile, but for its lines. */
export function textOf({ name, flags, rest }: Instruction): string {
  return [name, ...flags.map((flag) => `--${flag.name}${flag.value && `=${flag.value}`}`), rest].join(" ");
}

// `A=b C="d e"`, or `A b c` with everything after the name as its value; undefined for neither.
function pairsOf(text: string, lookup: Lookup): [string, string][] | undefined {
  if (/^[^\s="']+=|^"[^"]+"=/.test(text)) {
    const pairs = shellWords(text, lookup).map((word): [string, string] => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]);
    return pairs.some(([name]) => name === "") ? undefined : pairs;
  }
  const [, name, value] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? [];
  return name === undefined || value === undefined ? undefined : [[name, shellWord(value, lookup)]];
}

// `8000-8002/udp` is three.
function portsOf(text: string): string[] {
  const [, first, last = first, protocol = "tcp"] = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(text) ?? [];
  if (first === undefined) throw new DockerfileError(`EXPOSE: invalid containerPort: ${text}`);
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => `${Number(first) + i}/${protocol.toLowerCase()}`);
}

const NANOSECONDS: Record<string, number> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, ns: 1 };

function healthcheck({ rest, flags }: Instruction, fail: (why: string) => DockerfileError): Healthcheck {
  if (/^none$/i.test(rest)) return { Test: ["NONE"] };
  const command = /^cmd\s+([\s\S]+)$/i.exec(rest)?.[1];
  if (command === undefined) throw fail("expected NONE, or CMD and a command");
  const time = (name: string, key: string) => {
    const text = flags.find((flag) => flag.name === name)?.value;
    if (text === undefined) return {};
    if (!/^(\d+(\.\d+)?(h|m|s|ms|us|ns))+$/.test(text)) throw fail(`invalid --${name} ${text}: expected a duration, such as 30s`);
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)/g)];
    return { [key]: parts.reduce((sum, [, number, unit = "s"]) => sum + Number(number) * (NANOSECONDS[unit] ?? 0), 0) };
  };
  const retries = flags.find((flag) => flag.name === "retries")?.value;
  const list = jsonList(command);
  return {
    Test: list ? ["CMD", ...list] : ["CMD-SHELL", command],
    ...time("interval", "Interval"),
    ...time("timeout", "Timeout"),
    ...time("start-period", "StartPeriod"),
    ...time("start-interval", "StartInterval"),
    ...(retries !== undefined && { Retries: Number(retries) }),
  };
}
