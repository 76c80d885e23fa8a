/** Mounts that a RUN has for itself (`RUN --mount` of Dockerfiles): what they say. */
import { join, normalize, resolve } from "../../../ffi/path.ts";
import { DockerfileError, type Lookup, shellWord } from "../../image/dockerfile.ts";

const OPTIONS = {
  bind: ["from", "rw"],
  cache: ["id", "sharing", "mode", "uid", "gid"],
  tmpfs: ["size"],
  secret: ["id", "required", "mode", "uid", "gid", "env"],
  ssh: ["id", "required"],
} as const;

const SHARING = ["shared", "private", "locked"] as const;

export interface RunMount {
  type: keyof typeof OPTIONS;
  /** For messages: the line, and what it says. */
  text: string;
  /** Absolute; empty for a secret that is but a variable. */
  target: string;
  /** Path in the context, or in `from`. */
  source: string;
  /** A stage or an image. */
  from: string | undefined;
  id: string;
  isReadOnly: boolean;
  isRequired: boolean;
  sharing: (typeof SHARING)[number];
  mode: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  /** As tmpfs takes it, `64m`. */
  size: string | undefined;
  /** Name of the variable that has the secret. */
  env: string | undefined;
}

const OTHER_NAMES: Record<string, string> = { src: "source", dst: "target", destination: "target", readonly: "ro", readwrite: "rw" };

/**
 * Reads one of them.
 *
 * @param workdir what a target is relative to
 * @throws {DockerfileError}
 */
export function parseRunMount(value: string, line: number, lookup: Lookup, workdir: string): RunMount {
  const text = `line ${line}: RUN --mount=${value}`;
  const fail = (why: string) => new DockerfileError(`${text}: ${why}`);
  const fields = new Map(
    value.split(",").map((field): [string, string] => {
      const [, key = "", given] = /^([^=]*)(?:=(.*))?$/s.exec(field) ?? [];
      return [OTHER_NAMES[key.toLowerCase()] ?? key.toLowerCase(), given === undefined ? "true" : shellWord(given, lookup)];
    }),
  );
  const type = (fields.get("type") ?? "bind") as RunMount["type"];
  if (!(type in OPTIONS)) throw fail(`unsupported mount type ${type}: expected ${Object.keys(OPTIONS).join(", ")}`);
  const known: readonly string[] = ["type", "target", "source", "ro", "rw", ...OPTIONS[type]];
  for (const key of fields.keys()) if (!known.includes(key)) throw fail(`unexpected key '${key}' for mount type ${type}`);
  const isOn = (key: string): boolean => {
    const given = fields.get(key) ?? "false";
    if (/^(|true|1)$/i.test(given)) return true;
    if (/^(false|0)$/i.test(given)) return false;
    throw fail(`invalid value for ${key}: ${given}, expected true or false`);
  };
  const number = (key: string, pattern: RegExp, base: number): number | undefined => {
    const given = fields.get(key);
    if (given !== undefined && !pattern.test(given)) throw fail(`invalid value for ${key}: ${given}`);
    return given === undefined ? undefined : Number.parseInt(given, base);
  };
  const target = fields.get("target");
  const source = fields.get("source");
  const env = fields.get("env");
  if (target === undefined && type !== "secret" && type !== "ssh") throw fail("expected a target");
  const given = fields.get("id") ?? (type === "secret" ? (source ?? target)?.split("/").at(-1) : undefined);
  if (type === "secret" && !given) throw fail("expected an id");
  const sharing = (fields.get("sharing") ?? "shared") as RunMount["sharing"];
  if (!SHARING.includes(sharing)) throw fail(`invalid value for sharing: ${sharing}, expected ${SHARING.join(", ")}`);
  const [size] = fields.get("size")?.match(/^\d+[kmg]?(?=b?$)/i) ?? [];
  if (fields.has("size") && size === undefined)
    throw fail(`invalid value for size: ${fields.get("size")}, expected bytes, or a number with k, m or g`);
  const path = target === undefined ? undefined : resolve("/", workdir, target);
  return {
    type,
    text,
    target: path ?? (type === "ssh" ? "" : env === undefined ? `/run/secrets/${given}` : ""),
    source: normalize(join("/", source ?? "")),
    from: fields.get("from"),
    id: given ?? (type === "ssh" ? "default" : (path ?? "")),
    isReadOnly: type === "bind" ? !isOn("rw") && (!fields.has("ro") || isOn("ro")) : isOn("ro"),
    isRequired: isOn("required"),
    sharing,
    mode: number("mode", /^[0-7]{1,5}$/, 8),
    uid: number("uid", /^\d+$/, 10),
    gid: number("gid", /^\d+$/, 10),
    size,
    env,
  };
}
