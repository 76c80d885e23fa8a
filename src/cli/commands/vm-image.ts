import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "../../../ffi/files.ts";
import { release } from "../../../ffi/host.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import { basename, join } from "../../../ffi/path.ts";
import type { Engine } from "../../engine/engine.ts";
import { saveImages } from "../../engine/save-images.ts";
import { shellWords } from "../../image/dockerfile.ts";
import { CpioWriter } from "../../vm/cpio.ts";
import { ModuleIndex, USUAL_MODULES } from "../../vm/modules.ts";
import { squashfsOf } from "../../vm/squashfs.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { humanSize } from "../format/human.ts";

const PACKERS: Record<string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array> = {
  gzip: (bytes) => Bun.gzipSync(bytes, { level: 6 }),
  zstd: (bytes) => Bun.zstdCompressSync(bytes, { level: 10 }),
  none: (bytes) => bytes,
};

export default defineCommand({
  usage: "[OPTIONS] -o FILE [IMAGE...]",
  flags: {
    compress: { type: "string", value: "gzip|zstd|none", help: "How the initramfs is packed (default gzip; the kernel must know it)" },
    module: { type: "list", help: "Modules of the kernel besides the usual ones" },
    modules: { type: "string", value: "DIR", help: "Folder of the kernel's modules (default /lib/modules of the kernel that runs)" },
    output: { short: "o", type: "string", value: "FILE", help: "Where the initramfs goes" },
    run: { type: "list", value: "args", help: "Arguments of 'berth run', once for each container (default: the first image)" },
    after: { type: "string", value: "poweroff|reboot|stay", help: "What the machine does when the last container ended (default poweroff)" },
  },
  args: { min: 0 },
  examples: [
    "berth vm image -o initrd.img --run '-p 80:80 web' web",
    "qemu-system-x86_64 -m 256 -kernel vmlinuz -initrd initrd.img -append console=ttyS0 -nographic -no-reboot",
  ],
  async run({ engine }, flags, names) {
    const { output } = flags;
    if (output === undefined) throw new UsageError("no output file: expected -o FILE", 1);
    const compress = flags.compress ?? "gzip";
    const pack = PACKERS[compress];
    if (!pack)
      throw new UsageError(`invalid argument ${JSON.stringify(compress)} for "--compress" flag: expected ${Object.keys(PACKERS).join(", ")}`);
    const after = flags.after ?? "poweroff";
    if (!["poweroff", "reboot", "stay"].includes(after))
      throw new UsageError(`invalid argument ${JSON.stringify(after)} for "--after" flag: expected poweroff, reboot or stay`);
    const index = moduleIndex(flags.modules ?? `/lib/modules/${release()}`, flags.module);
    const pieces: Uint8Array[] = [];
    const archive = new CpioWriter((bytes) => pieces.push(bytes));
    for (const folder of ["dev", "proc", "sys", "run", "tmp", "etc", "root", "var/lib/berth"]) archive.folder(folder);
    // What is packed already comes first, as an archive of its own: the kernel takes several, one behind the other.
    const first = compress === "none" ? undefined : await firstStage(index, compress as "gzip" | "zstd");
    if (!first) archive.file("init", readFileSync("/proc/self/exe"), 0o755);
    archive.link("bin/berth", first ? "/berth/berth" : "/init");
    const run =
      flags.run.length > 0 ? flags.run.map((text) => shellWords(text, (name) => process.env[name])) : names.slice(0, 1).map((name) => [name]);
    archive.file("etc/berth/boot.json", Buffer.from(`${JSON.stringify({ run, after, modules: flags.module })}\n`), 0o644);
    addModules(archive, index, flags.module);
    for (const [i, name] of names.entries()) archive.file(`images/${i}.tar`, await archiveOf(engine, name), 0o644);
    archive.close();
    const rest = Buffer.concat(pieces);
    const packed = Buffer.concat([...(first ?? []), pack(rest)]);
    writeWhole(output, packed);
    const unpacked = rest.length + (first ?? []).reduce((sum, { length }) => sum + length, 0);
    console.log(`${output}: ${humanSize(packed.length)}, ${humanSize(unpacked)} unpacked`);
  },
});

async function archiveOf(engine: Engine, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  await saveImages(engine, [name], "docker-archive", { write: (bytes) => chunks.push(Buffer.from(bytes)) });
  return Buffer.concat(chunks);
}

/** Berth in a squashfs and what mounts it (ffi/first-stage.c); undefined where the kernel cannot have it so. */
async function firstStage(index: ModuleIndex, compression: "gzip" | "zstd"): Promise<Uint8Array[] | undefined> {
  const needed = ["loop", "squashfs"];
  if (needed.some((name) => !index.isBuiltIn(name) && index.files([name]).length === 0)) return undefined;
  const pieces: Uint8Array[] = [];
  const archive = new CpioWriter((bytes) => pieces.push(bytes));
  archive.file("init", Buffer.from(BERTH_FIRST_STAGE, "base64"), 0o755);
  for (const [i, path] of index.files(needed).entries()) archive.file(`stage/${i}`, readFileSync(join(index.folder, path)), 0o644);
  archive.file("stage/berth.squashfs", await squashfsOf("berth", readFileSync("/proc/self/exe"), compression), 0o644);
  archive.close();
  return pieces;
}

function moduleIndex(folder: string, more: string[]): ModuleIndex {
  if (!existsSync(join(folder, "modules.dep")))
    throw new CommandFailure(`${folder} has no modules.dep: expected the folder of a kernel's modules (--modules DIR), and depmod to have run`, 1);
  const index = new ModuleIndex(folder);
  const unknown = more.find((name) => !index.isBuiltIn(name.replaceAll("-", "_")) && index.files([name]).length === 0);
  if (unknown !== undefined) throw new CommandFailure(`the kernel of ${folder} has no module ${unknown}`, 1);
  return index;
}

function addModules(archive: CpioWriter, index: ModuleIndex, more: string[]): void {
  const { folder } = index;
  const target = join("lib/modules", basename(folder));
  for (const path of index.files([...USUAL_MODULES, ...more]).sort()) archive.file(join(target, path), readFileSync(join(folder, path)), 0o644);
  for (const name of ["modules.dep", "modules.builtin"])
    if (existsSync(join(folder, name))) archive.file(join(target, name), readFileSync(join(folder, name)), 0o644);
}

// There at once, or not at all.
function writeWhole(path: string, bytes: Uint8Array): void {
  const beside = `${path}.${process.pid}`;
  try {
    writeFileSync(beside, bytes);
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw new CommandFailure(`cannot write ${path}: ${reasonOf(error)}`, 1);
  }
}
