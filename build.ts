// Makes dist/berth: bundles and compiles src/main.ts with Bun, then turns the ELF
// into one that needs neither a libc nor a dynamic loader on its host (see
// ffi/loader.c and "One file" in docs/architecture.md).
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import {
  CHANGED,
  FIRST_BOUND_DESCRIPTOR,
  FIRST_LISTENING_DESCRIPTOR,
  FIRST_RESTING_DESCRIPTOR,
  MONITOR_ENVIRONMENT,
  MONITOR_NAME,
  MONITOR_VARIABLE,
  RESTING,
  RESUMED,
} from "./src/monitor/environment.ts";
import { FIRST_OWN_DESCRIPTOR, SNAPSHOT_ENVIRONMENT, SNAPSHOT_NAME, TRIAL_NAME } from "./src/snapshot/environment.ts";

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_PLTRELSZ = 2n;
const DT_SYMTAB = 6n;
const DT_JMPREL = 23n;
const DT_VERNEED = 0x6ffffffen;
const DT_VERNEEDNUM = 0x6fffffffn;
const PAGE = 4096n;
const HUGE_PAGE = 1n << 21n;

interface Target {
  arch: "x64" | "arm64";
  /** Of npm: the runtime that the program is put into. */
  runtime: string;
  /** Linked against the host's musl and libstdc++, of which it carries none. */
  isMusl?: boolean;
}

const TARGETS: Record<string, Target> = {
  "linux-x64": { arch: "x64", runtime: "@oven/bun-linux-x64" },
  // For processors without AVX2; in Bun 1.4.5 the two packages hold the same file.
  "linux-x64-baseline": { arch: "x64", runtime: "@oven/bun-linux-x64-baseline" },
  "linux-arm64": { arch: "arm64", runtime: "@oven/bun-linux-aarch64" },
  // These need what the others carry; they are for who wants his distribution's own C library under everything.
  "linux-x64-musl": { arch: "x64", runtime: "@oven/bun-linux-x64-musl", isMusl: true },
  "linux-arm64-musl": { arch: "arm64", runtime: "@oven/bun-linux-aarch64-musl", isMusl: true },
};
const OWN_TARGET = `linux-${process.arch}`;

/** What the program's dynamic section needs, the dynamic loader first. Order and limit: ffi/loader.c. */
const LIBRARIES: Record<string, string[]> = {
  x64: ["ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6"],
  arm64: ["ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6"],
};
/** What the compiled program needs besides, and glibc has had in libc itself since 2.34, the oldest that is used: empty files. */
const EMPTY_LIBRARIES = ["libpthread.so.0", "libdl.so.2"];

/** One Elf64_Phdr; offsets, addresses and sizes in bytes. */
interface ProgramHeader {
  type: number;
  flags: number;
  offset: bigint;
  vaddr: bigint;
  filesz: bigint;
  memsz: bigint;
  align: bigint;
}

const align = (value: bigint, to: bigint) => ((value + to - 1n) / to) * to;

function readProgramHeaders(elf: Buffer): ProgramHeader[] {
  const at = Number(elf.readBigUInt64LE(32));
  return Array.from({ length: elf.readUInt16LE(56) }, (_, i) => {
    const p = at + i * 56;
    return {
      type: elf.readUInt32LE(p),
      flags: elf.readUInt32LE(p + 4),
      offset: elf.readBigUInt64LE(p + 8),
      vaddr: elf.readBigUInt64LE(p + 16),
      filesz: elf.readBigUInt64LE(p + 32),
      memsz: elf.readBigUInt64LE(p + 40),
      align: elf.readBigUInt64LE(p + 48),
    };
  });
}

function encodeProgramHeader(h: ProgramHeader): Buffer {
  const b = Buffer.alloc(56);
  b.writeUInt32LE(h.type, 0);
  b.writeUInt32LE(h.flags, 4);
  b.writeBigUInt64LE(h.offset, 8);
  b.writeBigUInt64LE(h.vaddr, 16);
  b.writeBigUInt64LE(h.vaddr, 24);
  b.writeBigUInt64LE(h.filesz, 32);
  b.writeBigUInt64LE(h.memsz, 40);
  b.writeBigUInt64LE(h.align, 48);
  return b;
}

/** Where the dynamic section's entries are, by offset in the file, and the tables that they lead to. */
function readDynamic(elf: Buffer, headers: ProgramHeader[]) {
  const offsetOf = (vaddr: bigint) => {
    const load = headers.find((h) => h.type === PT_LOAD && vaddr >= h.vaddr && vaddr < h.vaddr + h.filesz);
    if (!load) throw new Error(`no segment holds address 0x${vaddr.toString(16)}`);
    return Number(vaddr - load.vaddr + load.offset);
  };
  const dynamic = headers.find((h) => h.type === PT_DYNAMIC);
  if (!dynamic) throw new Error("the compiled program has no dynamic section");
  const entries: { at: number; tag: bigint; value: bigint }[] = [];
  for (let at = Number(dynamic.offset); elf.readBigUInt64LE(at) !== 0n; at += 16)
    entries.push({ at, tag: elf.readBigUInt64LE(at), value: elf.readBigUInt64LE(at + 8) });
  const value = (tag: bigint) => entries.find((entry) => entry.tag === tag)?.value ?? 0n;
  const needs: number[] = [];
  let at = offsetOf(value(DT_VERNEED));
  for (let i = 0n; i < value(DT_VERNEEDNUM); i++) {
    needs.push(at);
    at += elf.readUInt32LE(at + 12);
  }
  const strings = offsetOf(value(DT_STRTAB));
  const nameAt = (offset: number) => elf.toString("latin1", strings + offset, elf.indexOf(0, strings + offset));
  /** Where the address of another object's function stands once it is known (Elf64_Rela, Elf64_Sym). */
  const slotOf = (name: string) => {
    const symbols = offsetOf(value(DT_SYMTAB));
    const first = offsetOf(value(DT_JMPREL));
    for (let at = first; at < first + Number(value(DT_PLTRELSZ)); at += 24)
      if (nameAt(elf.readUInt32LE(symbols + 24 * elf.readUInt32LE(at + 12))) === name) return elf.readBigUInt64LE(at);
    throw new Error(`the compiled program does not call ${name}`);
  };
  return { entries, needs, nameAt, slotOf };
}

/** Bytes of the version-need table: the loader copies it to change file names in it. */
function verneedSize(elf: Buffer, headers: ProgramHeader[]): bigint {
  const { needs } = readDynamic(elf, headers);
  let end = 0;
  for (const need of needs) {
    let aux = need + elf.readUInt32LE(need + 8);
    for (let n = elf.readUInt16LE(need + 2); n > 0; n--) {
      end = Math.max(end, aux + 16);
      aux += elf.readUInt32LE(aux + 12);
    }
  }
  return BigInt(end - (needs[0] ?? 0));
}

/** Has the dynamic loader open none of {@link EMPTY_LIBRARIES}: what the program wants of them is libc's to have. In place. */
function leaveOutEmptyLibraries(elf: Buffer, headers: ProgramHeader[]): void {
  const { entries, needs, nameAt } = readDynamic(elf, headers);
  const isEmpty = (offset: number) => EMPTY_LIBRARIES.includes(nameAt(offset));
  const kept = entries.filter(({ tag, value }) => tag !== DT_NEEDED || !isEmpty(Number(value)));
  const libc = kept.find(({ tag, value }) => tag === DT_NEEDED && nameAt(Number(value)) === "libc.so.6");
  if (!libc) throw new Error("expected a program that needs libc.so.6");
  for (const need of needs) if (isEmpty(elf.readUInt32LE(need + 4))) elf.writeUInt32LE(Number(libc.value), need + 4);
  const first = entries[0]?.at ?? 0;
  entries.forEach((_, i) => {
    elf.writeBigUInt64LE(kept[i]?.tag ?? 0n, first + i * 16);
    elf.writeBigUInt64LE(kept[i]?.value ?? 0n, first + i * 16 + 8);
  });
}

async function run(command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(" ")}: exit ${code}\n${err}`);
  return out.trim();
}

function compilerOf(arch: string): string {
  const compiler = process.env.CC ?? (arch === process.arch ? "cc" : arch === "arm64" ? "aarch64-linux-gnu-gcc" : "x86_64-linux-gnu-gcc");
  if (!Bun.which(compiler)) {
    throw new Error(
      `${compiler} not found: the loader (ffi/loader.c) is compiled with it. On Debian: apt-get install ${arch === process.arch ? "gcc libc6-dev" : "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"}`,
    );
  }
  return compiler;
}

interface Library {
  name: string;
  bytes: Buffer;
}

async function findLibraries(compiler: string, arch: string): Promise<Library[]> {
  const names = LIBRARIES[arch] ?? [];
  return Promise.all(
    names.map(async (name) => {
      const path = await run([compiler, `-print-file-name=${name}`]);
      if (!path.startsWith("/") || !existsSync(path)) {
        throw new Error(`${name} not found: berth carries glibc, so build where there is one. On Debian: apt-get install libc6`);
      }
      return { name, bytes: readFileSync(realpathSync(path)) };
    }),
  );
}

const PARAMS_SIZE = 4096n;
const MAX_LIBS = 8;

/** The struct `params` of ffi/loader.c. */
function encodeParams(fields: {
  entry: bigint;
  dynamic: bigint;
  verneedSize: bigint;
  id: string;
  build: string;
  madvise: bigint;
  libraries: (Library & { address: bigint })[];
  headers: ProgramHeader[];
}): Buffer {
  const b = Buffer.alloc(Number(PARAMS_SIZE));
  [fields.entry, fields.dynamic, fields.verneedSize, BigInt(fields.headers.length), BigInt(fields.libraries.length)].forEach((value, i) => {
    b.writeBigUInt64LE(value, i * 8);
  });
  b.write(fields.id, 40, "latin1");
  b.write(fields.build, 72, "latin1");
  b.writeBigUInt64LE(fields.madvise, 104);
  fields.libraries.forEach((library, i) => {
    const at = 112 + i * 48;
    b.write(library.name, at, "latin1");
    b.writeBigUInt64LE(library.address, at + 32);
    b.writeBigUInt64LE(BigInt(library.bytes.length), at + 40);
  });
  fields.headers.forEach((header, i) => {
    encodeProgramHeader(header).copy(b, 112 + MAX_LIBS * 48 + i * 56);
  });
  return b;
}

/** Compiles a freestanding program of ffi/; gives its ELF. */
async function compileFreestanding(compiler: string, source: string, ...more: string[]): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "berth-build-"));
  try {
    const out = join(folder, "out");
    const safety = ["-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-fno-tree-loop-distribute-patterns"];
    const plain = ["-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-nostdlib", "-static", "-no-pie", "-Wl,-N", "-Wl,--build-id=none"];
    await run([compiler, "-Os", "-s", ...safety, ...plain, ...more, "-o", out, join(import.meta.dir, "ffi", source)]);
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Compiles one that others call; gives code that runs at any address and starts with its table of entries. */
async function compileCode(compiler: string, arch: Target["arch"], source: string): Promise<Buffer> {
  const outline = arch === "arm64" ? ["-mno-outline-atomics"] : [];
  const elf = await compileFreestanding(compiler, source, "-fpie", "-fno-reorder-functions", "-Wl,-Ttext=0", ...outline);
  const [segment, ...more] = readProgramHeaders(elf).filter((h) => h.type === PT_LOAD);
  if (!segment || more.length > 0 || segment.memsz !== segment.filesz) throw new Error(`ffi/${source} must have no writable data`);
  if (segment.vaddr !== 0n || elf.readBigUInt64LE(24) !== 0n) throw new Error(`ffi/${source} must start with its table of entries`);
  return elf.subarray(Number(segment.offset), Number(segment.offset + segment.filesz));
}

/** For the loader, as C's strings. */
function definitions(): string[] {
  const variables = (environment: Record<string, string>) =>
    Object.entries(environment)
      .map(([name, value]) => `"${name}=${value}"`)
      .join(",");
  const texts = { MONITOR_NAME, MONITOR_VARIABLE, RESTING, RESUMED, CHANGED, SNAPSHOT_NAME, TRIAL_NAME };
  return [
    `-DMONITOR_ENVIRONMENT=${variables(MONITOR_ENVIRONMENT)}`,
    ...Object.entries(SNAPSHOT_ENVIRONMENT).map(([kind, environment]) => `-DSNAPSHOT_ENVIRONMENT_${kind}=${variables(environment)}`),
    ...Object.entries(texts).map(([name, text]) => `-D${name}="${text}"`),
    `-DFIRST_OWN_DESCRIPTOR=${FIRST_OWN_DESCRIPTOR}`,
    `-DFIRST_RESTING_DESCRIPTOR=${FIRST_RESTING_DESCRIPTOR}`,
    `-DFIRST_LISTENING_DESCRIPTOR=${FIRST_LISTENING_DESCRIPTOR}`,
    `-DFIRST_BOUND_DESCRIPTOR=${FIRST_BOUND_DESCRIPTOR}`,
  ];
}

/** Compiles the loader to run at `address`, with `params` right before it; gives its bytes and where it starts. */
async function compileLoader(compiler: string, address: bigint): Promise<{ code: Buffer; entry: bigint }> {
  const text = `0x${(address + PARAMS_SIZE).toString(16)}`;
  const elf = await compileFreestanding(
    compiler,
    "loader.c",
    ...definitions(),
    `-Wl,-Ttext=${text}`,
    `-Wl,--defsym=params=0x${address.toString(16)}`,
  );
  const loads = readProgramHeaders(elf).filter((h) => h.type === PT_LOAD);
  const [segment] = loads;
  if (!segment || loads.length !== 1 || segment.memsz !== segment.filesz) throw new Error("ffi/loader.c must have no writable data");
  const skip = address + PARAMS_SIZE - segment.vaddr;
  const code = elf.subarray(Number(segment.offset + skip), Number(segment.offset + segment.filesz));
  return { code, entry: elf.readBigUInt64LE(24) };
}

/**
 * Moves the segments of an ELF within the file so that each offset is its address modulo the size of a huge page: only then
 * can the kernel map code in such pages (ffi/loader.c asks for them). The sections' table, which points elsewhere then, goes.
 */
function alignSegments(elf: Buffer): Buffer {
  const headers = readProgramHeaders(elf);
  const loads = headers.filter((h) => h.type === PT_LOAD);
  const pieces: Buffer[] = [];
  const moved = new Map<ProgramHeader, bigint>();
  let size = 0n;
  for (const load of loads) {
    const from = load.offset - (load.offset % PAGE);
    const gap = (HUGE_PAGE + ((load.vaddr - (load.offset - from) - size) % HUGE_PAGE)) % HUGE_PAGE;
    const bytes = elf.subarray(Number(from), Number(load.offset + load.filesz));
    const to = size + gap;
    size = align(to + BigInt(bytes.length), PAGE);
    pieces.push(Buffer.alloc(Number(gap)), bytes, Buffer.alloc(Number(size - to) - bytes.length));
    moved.set(load, to - from);
  }
  const result = Buffer.concat(pieces);
  headers.forEach((header, i) => {
    const load = loads.find((l) => header.offset >= l.offset && header.offset + header.filesz <= l.offset + l.filesz);
    const offset = header.offset + (load === undefined ? 0n : (moved.get(load) as bigint));
    encodeProgramHeader({ ...header, offset }).copy(result, Number(elf.readBigUInt64LE(32)) + i * 56);
  });
  result.writeBigUInt64LE(0n, 40); // e_shoff
  result.writeUInt32LE(0, 60); // e_shnum, e_shstrndx
  return result;
}

/**
 * Rewrites a compiled ELF so that it starts in ffi/loader.c and carries glibc: the
 * PT_INTERP header goes, one PT_LOAD for the appended part comes, e_entry points
 * into it. Throws where the ELF is not shaped as Bun's are today.
 */
async function embedLoader(compiled: Buffer, arch: string, compiler: string): Promise<Buffer> {
  const elf = alignSegments(compiled);
  if (elf.readUInt16LE(16) !== 2) throw new Error("expected an ELF of type ET_EXEC");
  const headers = readProgramHeaders(elf);
  const dynamic = headers.find((h) => h.type === PT_DYNAMIC);
  if (!dynamic || !headers.some((h) => h.type === PT_INTERP)) throw new Error("expected a dynamically linked ELF");
  leaveOutEmptyLibraries(elf, headers);
  const libraries = await findLibraries(compiler, arch);
  const digest = (...parts: Buffer[]) =>
    parts
      .reduce((hash, part) => hash.update(part), createHash("sha256"))
      .digest("hex")
      .slice(0, 16);
  const id = digest(...libraries.map((l) => l.bytes));

  let end = 0n;
  for (const h of headers) if (h.type === PT_LOAD && h.vaddr + h.memsz > end) end = h.vaddr + h.memsz;
  const address = align(end, 65536n);
  const offset = align(BigInt(elf.length), 65536n);
  const { code, entry } = await compileLoader(compiler, address);
  let at = align(address + PARAMS_SIZE + BigInt(code.length), PAGE);
  const placed = libraries.map((library) => {
    const here = { ...library, address: at };
    at = align(at + BigInt(library.bytes.length), PAGE);
    return here;
  });

  const blob = Buffer.alloc(Number(at - address));
  encodeParams({
    entry: elf.readBigUInt64LE(24),
    dynamic: dynamic.vaddr,
    verneedSize: verneedSize(elf, headers),
    id,
    build: digest(elf, code),
    madvise: readDynamic(elf, headers).slotOf("madvise"),
    libraries: placed,
    headers,
  }).copy(blob);
  code.copy(blob, Number(PARAMS_SIZE));
  for (const library of placed) library.bytes.copy(blob, Number(library.address - address));

  const size = BigInt(blob.length);
  const load: ProgramHeader = { type: PT_LOAD, flags: 5, offset, vaddr: address, filesz: size, memsz: size, align: PAGE };
  const lastLoad = headers.findLastIndex((h) => h.type === PT_LOAD);
  const rewritten = headers.toSpliced(lastLoad + 1, 0, load).filter((h) => h.type !== PT_INTERP);
  const result = Buffer.concat([elf, Buffer.alloc(Number(offset) - elf.length), blob]);
  rewritten.forEach((header, i) => {
    encodeProgramHeader(header).copy(result, Number(elf.readBigUInt64LE(32)) + i * 56);
  });
  result.writeBigUInt64LE(entry, 24);
  return result;
}

/** The runtime of a target, out of its npm package; this one where it is the machine's own. */
async function runtimeOf({ runtime }: Target, folder: string): Promise<string> {
  const spec = `${runtime}@${Bun.version}`;
  await run(["npm", "pack", "--silent", "--pack-destination", folder, spec]);
  const [archive] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw new Error(`npm has no ${spec}`);
  await run(["tar", "-C", folder, "-xzf", join(folder, archive)]);
  const path = join(folder, "package/bin/bun");
  chmodSync(path, 0o755);
  return path;
}

interface Build {
  version: string;
  commit: string;
}

/** Builds one target; gives the size of the file. */
async function build(name: string, out: string, { version, commit }: Build): Promise<number> {
  const target = TARGETS[name] as Target;
  const compiler = compilerOf(target.arch);
  const [reaper, userns, exec, firstStage, idle] = await Promise.all(
    ["reaper.c", "userns.c", "exec.c", "first-stage.c", "idle.c"].map((source) => compileFreestanding(compiler, source)),
  );
  const stub = await compileCode(compiler, target.arch, "stub.c");
  const jsonLines = await compileCode(compiler, target.arch, "json-lines.c");
  const folder = mkdtempSync(join(tmpdir(), "berth-build-"));
  try {
    const plain = join(folder, "berth");
    const runtime = name === OWN_TARGET ? [] : ["--compile-executable-path", await runtimeOf(target, folder)];
    const define = (key: string, value: string) => ["--define", `${key}=${JSON.stringify(value)}`];
    await run([
      process.execPath,
      "build",
      join(import.meta.dir, "src/main.ts"),
      "--compile",
      ...(name === OWN_TARGET ? [] : [`--target=bun-${name}`, ...runtime]),
      "--minify",
      "--bytecode",
      "--splitting",
      "--format=esm",
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      "--no-compile-autoload-tsconfig",
      "--no-compile-autoload-package-json",
      ...define("BERTH_VERSION", version),
      ...define("BERTH_COMMIT", commit),
      ...define("BERTH_REAPER", (reaper as Buffer).toString("base64")),
      ...define("BERTH_USERNS", (userns as Buffer).toString("base64")),
      ...define("BERTH_EXEC", (exec as Buffer).toString("base64")),
      ...define("BERTH_STUB", stub.toString("base64")),
      ...define("BERTH_JSON_LINES", jsonLines.toString("base64")),
      ...define("BERTH_FIRST_STAGE", (firstStage as Buffer).toString("base64")),
      ...define("BERTH_IDLE", (idle as Buffer).toString("base64")),
      "--outfile",
      plain,
    ]);
    const bytes = target.isMusl ? readFileSync(plain) : await embedLoader(readFileSync(plain), target.arch, compiler);
    writeFileSync(`${out}.new`, bytes);
    chmodSync(`${out}.new`, 0o755);
    renameSync(`${out}.new`, out);
    return bytes.length;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const DEBIAN: Record<Target["arch"], string> = { x64: "amd64", arm64: "arm64" };

/** Puts a target's file into a package of Debian's, with completions, the reference and a service. */
async function packDeb(name: string, dist: string, version: string): Promise<string> {
  const target = TARGETS[name] as Target;
  const folder = mkdtempSync(join(tmpdir(), "berth-deb-"));
  try {
    const put = (path: string, content: string | Buffer, mode = 0o644) => {
      mkdirSync(join(folder, path, ".."), { recursive: true, mode: 0o755 });
      writeFileSync(join(folder, path), content, { mode });
    };
    chmodSync(folder, 0o755); // it becomes the mode of / where the package is installed
    const own = join(dist, "berth");
    // Of this machine's own build: they are the same for all.
    const said = (...args: string[]) => run([own, ...args]).then((text) => `${text}\n`);
    put("usr/bin/berth", readFileSync(join(dist, `berth-${name}`)), 0o755);
    put("usr/share/bash-completion/completions/berth", await said("completion", "bash"));
    put("usr/share/zsh/vendor-completions/_berth", await said("completion", "zsh"));
    put("usr/share/fish/vendor_completions.d/berth.fish", await said("completion", "fish"));
    put("lib/systemd/system/berth.service", (await said("system", "service-file")).replaceAll(realpathSync(own), "/usr/bin/berth"));
    const root = import.meta.dir;
    for (const file of ["README.md", "CHANGELOG.md", "NOTICE"]) put(`usr/share/doc/berth/${file}`, readFileSync(join(root, file)));
    put("usr/share/doc/berth/copyright", readFileSync(join(root, "LICENSE")));
    for (const file of readdirSync(join(root, "docs/reference")))
      put(`usr/share/doc/berth/reference/${file}`, readFileSync(join(root, "docs/reference", file)));
    const about =
      "Description: container engine in one executable, without a daemon\n Speaks docker's command line, and needs nothing else on its host.\n";
    const who = "Maintainer: berth\nSection: admin\nPriority: optional\n";
    put("DEBIAN/control", `Package: berth\nVersion: ${version}\nArchitecture: ${DEBIAN[target.arch]}\n${who}${about}`);
    const out = join(dist, `berth_${version}_${DEBIAN[target.arch]}.deb`);
    await run(["dpkg-deb", "--build", "--root-owner-group", folder, out]);
    return out;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function main(): Promise<void> {
  const root = import.meta.dir;
  const dist = join(root, "dist");
  mkdirSync(dist, { recursive: true });
  const { values } = parseArgs({ options: { target: { type: "string", multiple: true }, deb: { type: "boolean" } } });
  const targets = (values.target ?? []).flatMap((name) => (name === "all" ? Object.keys(TARGETS) : [name]));
  const unknown = targets.find((name) => !TARGETS[name]);
  if (unknown !== undefined) throw new Error(`unknown target ${unknown}: expected ${Object.keys(TARGETS).join(", ")}, all`);
  const version = (await Bun.file(join(root, "package.json")).json()).version as string;
  const head = await run(["git", "-C", root, "rev-parse", "--short=12", "HEAD"]).catch(() => "unknown");
  const dirty = await run(["git", "-C", root, "status", "--porcelain", "--untracked-files=no"]).catch(() => "");
  const tell = (path: string, size: number) => console.log(`dist/${path} ${version} (${head}), ${(size / 1e6).toFixed(1)} MB`);
  const commit = head + (dirty ? "-dirty" : "");
  // Packages take completions from it.
  if (targets.length === 0 || values.deb) tell("berth", await build(OWN_TARGET, join(dist, "berth"), { version, commit }));
  for (const name of targets) tell(`berth-${name}`, await build(name, join(dist, `berth-${name}`), { version, commit }));
  // Of all that lie there, also from before.
  if (targets.length > 0) {
    const files = readdirSync(dist).filter((name) => name.startsWith("berth-linux-"));
    const sums = files.map(
      (name) =>
        `${createHash("sha256")
          .update(readFileSync(join(dist, name)))
          .digest("hex")}  ${name}\n`,
    );
    writeFileSync(join(dist, "SHA256SUMS"), sums.join(""));
  }
  const hasPackage = (name: string) => name === `linux-${TARGETS[name]?.arch}`; // of Debian's
  for (const name of values.deb ? targets.filter(hasPackage) : []) console.log(`${relative(root, await packDeb(name, dist, version))}`);
}

main().catch((error: Error) => {
  console.error(`build: ${error.message}`);
  process.exit(1);
});
