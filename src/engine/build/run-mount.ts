/** Mounts that a RUN has for itself: caches, secrets, files of the context. */

import { AT_FDCWD, O_DIRECTORY, O_PATH, openat } from "../../../ffi/fd.ts";
import { mkdirSync, readlinkSync } from "../../../ffi/files.ts";
import { openInRoot } from "../../../ffi/in-root.ts";
import { hasCode } from "../../../ffi/libc.ts";
import { dirname, join } from "../../../ffi/path.ts";
import { DockerfileError, type Lookup, shellWord } from "../../image/dockerfile.ts";
import type { ContainerMount } from "../../store/container-config.ts";

export interface MountSources {
  /** The engine's folder; caches lie below it. */
  data: string;
  context: string | undefined;
  /** Files, by id. */
  secrets: Record<string, string>;
}

// Links of a context lead nowhere but into it.
function realInside(context: string, path: string): string | undefined {
  using root = openat(AT_FDCWD, context, O_PATH | O_DIRECTORY);
  try {
    using file = openInRoot(root.fd, path, O_PATH);
    return readlinkSync(file.path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

/** One of `RUN --mount`. Throws {@link DockerfileError}. */
export function runMount(text: string, line: number, lookup: Lookup, { data, context, secrets }: MountSources): ContainerMount {
  const fields = new Map(
    text.split(",").map((field): [string, string] => [field.split("=")[0] ?? "", shellWord(field.slice(field.indexOf("=") + 1), lookup)]),
  );
  const type = fields.get("type") ?? "bind";
  const fail = (why: string) => new DockerfileError(`line ${line}: RUN --mount=${text}: ${why}`);
  const target = fields.get("target") ?? fields.get("dst") ?? fields.get("destination");
  const bind = (source: string, to: string, readOnly: boolean): ContainerMount => ({
    type: "bind",
    source,
    target: to,
    readOnly,
    propagation: "",
    recursive: true,
    createSource: false,
  });
  const id = fields.get("id");
  switch (type) {
    case "cache": {
      if (target === undefined) throw fail("expected a target");
      const folder = join(data, "build-cache", new Bun.CryptoHasher("sha256").update(id ?? target).digest("hex"));
      mkdirSync(folder, { recursive: true, mode: 0o755 });
      return bind(folder, target, false);
    }
    case "tmpfs":
      if (target === undefined) throw fail("expected a target");
      return { type: "tmpfs", target, options: ["nosuid", "nodev"] };
    case "secret": {
      const file = id === undefined ? undefined : secrets[id];
      const to = target ?? `/run/secrets/${id}`;
      if (file !== undefined) return bind(file, to, true);
      if (/^(true|1|required)?$/.test(fields.get("required") ?? "false")) throw fail(`secret ${id}: not found`);
      return { type: "tmpfs", target: dirname(to), options: ["nosuid", "nodev", "noexec"] };
    }
    case "bind": {
      if (target === undefined) throw fail("expected a target");
      if (fields.has("from")) throw fail("from= is not supported: COPY --from does the same");
      if (context === undefined) throw fail("this build has no context");
      const source = fields.get("source") ?? fields.get("src") ?? ".";
      const real = realInside(context, source);
      if (real === undefined) throw fail(`${source}: not found in the build context`);
      return bind(real, target, true);
    }
    default:
      throw fail(`unsupported mount type ${type}: expected cache, bind, secret or tmpfs`);
  }
}
