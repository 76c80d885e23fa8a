import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { basename, join } from "node:path";
import { reasonOf } from "../../../ffi/libc.ts";
import type { Engine } from "../../engine/engine.ts";
import { saveImages } from "../../engine/save-images.ts";
import { shellWords } from "../../image/dockerfile.ts";
import { CpioWriter } from "../../vm/cpio.ts";
import { ModuleIndex, USUAL_MODULES } from "../../vm/modules.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { humanSize } from "../format/human.ts";

const PACKERS: Record<string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array> = {
  gzip: (bytes) => Bun.gzipSync(bytes, { level: 6 }),
  zstd: (bytes) => Bun.zstdCompressSync(bytes, { level: 10 }),
  none: (bytes) => bytes,
};

export default defineCommand({
  usage: "[OPTIONS] -o FILE IMAGE [IMAGE...]",
  flags: {
    compress: { type: "string", value: "gzip|zstd|none", help: "How the initramfs is packed (default gzip; the kernel must know it)" },
    module: { type: "list", help: "Modules of the kernel besides the usual ones" },
    modules: { type: "string", value: "DIR", help: "Folder of the kernel's modules (default /lib/modules of the kernel that runs)" },
    output: { short: "o", type: "string", value: "FILE", help: "Where the initramfs goes" },
    run: { type: "list", value: "args", help: "Arguments of 'berth run', once for each container (default: the first image)" },
    after: { type: "string", value: "poweroff|reboot|stay", help: "What the machine does when the last container ended (default poweroff)" },
  },
  args: { min: 1 },
  examples: [
    "berth vm image -o initrd.img --run '-p 80:80 web' web",
    "qemu-system-x86_64 -m 512 -kernel vmlinuz -initrd initrd.img -append console=ttyS0 -nographic -no-reboot",
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
    const pieces: Uint8Array[] = [];
    const archive = new CpioWriter((bytes) => pieces.push(bytes));
    for (const folder of ["dev", "proc", "sys", "run", "tmp", "etc", "root", "var/lib/berth"]) archive.folder(folder);
    archive.file("init", readFileSync("/proc/self/exe"), 0o755);
    archive.link("bin/berth", "/init");
    const run = flags.run.length > 0 ? flags.run.map((text) => shellWords(text, (name) => process.env[name])) : [[names[0] ?? ""]];
    archive.file("etc/berth/boot.json", Buffer.from(`${JSON.stringify({ run, after, modules: flags.module })}\n`), 0o644);
    addModules(archive, flags.modules ?? `/lib/modules/${release()}`, flags.module);
    for (const [i, name] of names.entries()) archive.file(`images/${i}.tar`, await archiveOf(engine, name), 0o644);
    archive.close();
    const whole = Buffer.concat(pieces);
    const packed = pack(whole);
    writeWhole(output, packed);
    console.log(`${output}: ${humanSize(packed.length)}, ${humanSize(whole.length)} unpacked`);
  },
});

async function archiveOf(engine: Engine, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  await saveImages(engine, [name], "docker-archive", { write: (bytes) => chunks.push(Buffer.from(bytes)) });
  return Buffer.concat(chunks);
}

function addModules(archive: CpioWriter, folder: string, more: string[]): void {
  if (!existsSync(join(folder, "modules.dep")))
    throw new CommandFailure(`${folder} has no modules.dep: expected the folder of a kernel's modules (--modules DIR), and depmod to have run`, 1);
  const index = new ModuleIndex(folder);
  const unknown = more.find((name) => !index.isBuiltIn(name.replaceAll("-", "_")) && index.files([name]).length === 0);
  if (unknown !== undefined) throw new CommandFailure(`the kernel of ${folder} has no module ${unknown}`, 1);
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
