/** `build --output`: the files of what was built, as a folder or a tar. */
import * as fd from "../../ffi/fd.ts";
import { mkdirSync } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { join, resolve } from "../../ffi/path.ts";
import { type BuildOptions, temporaryFolder, withContainer } from "../engine/build/steps.ts";
import type { Engine } from "../engine/engine.ts";
import { exportContainer } from "../engine/export-container.ts";
import { extractIntoFolder } from "../engine/extract.ts";
import { readRange } from "../image/file-range.ts";
import { getImage } from "../store/images.ts";
import { CommandFailure, ValueError } from "./errors.ts";
import { writeOutput } from "./output-file.ts";
import { splitCsv } from "./values.ts";

export interface BuildOutput {
  /** `image` is what there is without any. */
  type: "image" | "local" | "tar";
  /** A folder, or a file; undefined for standard output. */
  dest: string | undefined;
  push: boolean;
}

/** `type=local,dest=FOLDER`, `type=tar,dest=FILE`, or just a folder, or `-`. Throws {@link ValueError}. */
export function parseBuildOutput(text: string): BuildOutput {
  if (text === "-") return { type: "tar", dest: undefined, push: false };
  if (!text.includes("=")) return { type: "local", dest: text, push: false };
  const fields = new Map(splitCsv(text).map((field) => [field.split("=")[0] ?? "", field.slice(field.indexOf("=") + 1)]));
  const type = fields.get("type");
  const dest = fields.get("dest");
  const push = type === "registry" || fields.get("push") === "true";
  if (type === "image" || type === "registry" || (type === "docker" && dest === undefined)) return { type: "image", dest: undefined, push };
  if (type === "tar") return { type, dest: dest === "-" ? undefined : dest, push: false };
  if (type === "local" && dest !== undefined) return { type, dest, push: false };
  throw new ValueError("expected a folder, -, type=local,dest=FOLDER, type=tar,dest=FILE, type=image, type=docker or type=registry");
}

/** Writes an image's files. A folder keeps what is in it besides. */
export async function writeBuildOutput(engine: Engine, options: BuildOptions, id: string, { type, dest }: BuildOutput): Promise<void> {
  const image = getImage(engine.db, id);
  if (type === "image" || !image) return;
  await withContainer({ engine, options }, image, async (record) => {
    const produce = (write: (bytes: Uint8Array) => void) => exportContainer(engine, record.id, write);
    if (type === "tar" || dest === undefined) return await writeOutput(dest, produce);
    const folder = resolve(dest);
    const archive = join(temporaryFolder(engine), "output.tar");
    mkdirSync(temporaryFolder(engine), { recursive: true, mode: 0o700 });
    await writeOutput(archive, produce);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw new CommandFailure(`cannot make ${dest}: ${reasonOf(error)}`, 1);
    }
    using file = fd.openat(fd.AT_FDCWD, archive, fd.O_RDONLY);
    await extractIntoFolder(folder, readRange({ fd: file.fd, offset: 0, size: Number(fd.statat(file.fd, "").size) }));
  });
}
