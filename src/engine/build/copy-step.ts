/** `COPY` and `ADD`. */
import * as fd from "../../../ffi/fd.ts";
import { rmSync } from "../../../ffi/files.ts";
import { openInRoot } from "../../../ffi/in-root.ts";
import { keepingMounts } from "../../../ffi/namespace.ts";
import { resolve } from "../../../ffi/path.ts";
import { DockerfileError, expandText, type Instruction, jsonList, type Lookup, shellWord, shellWords } from "../../image/dockerfile.ts";
import { IgnoreFile } from "../../image/dockerignore.ts";
import { readRange } from "../../image/file-range.ts";
import { parseMode } from "../../image/symbolic-mode.ts";
import { decompress } from "../../image/unpack.ts";
import { resolveUser } from "../../runtime/process/user.ts";
import { atPlace } from "../copy-files.ts";
import { EngineError } from "../errors.ts";
import { commitStep } from "../export-container.ts";
import { extractInto, writeInto } from "../extract.ts";
import { download, isUnpacked, makeFile } from "./added-files.ts";
import { type Change, findSources, type Source, type SourceRoot, withSources, writeSources } from "./context.ts";
import { type BuildOfSteps, type State, withContainer, withFiles } from "./steps.ts";

/**
 * Copies files of the context, of another stage or image, of the Dockerfile itself, or from the web.
 *
 * @param scratch a folder that is this step's own, for those that come from nowhere else; removed again
 */
export async function copyStep(build: BuildOfSteps, state: State, instruction: Instruction, lookup: Lookup, scratch: string): Promise<void> {
  const { name, rest, flags, heredocs, line } = instruction;
  const fail = (why: string) => new DockerfileError(`line ${line}: ${name}: ${why}`);
  const flag = (wanted: string) => {
    const value = flags.find((f) => f.name === wanted)?.value;
    return value === undefined ? undefined : shellWord(value, lookup);
  };
  const words = jsonList(rest)?.map((word) => shellWord(word, lookup)) ?? shellWords(rest, lookup);
  const target = words.pop();
  if (target === undefined || words.length === 0) throw fail("requires at least two arguments");
  const from = flag("from");
  if (name === "ADD" && from !== undefined) throw fail("unknown flag: from");
  const workdir = state.config.config?.WorkingDir || "/";
  const ending = /(^|\/)\.?$/.test(target) ? "/" : "";
  const path = resolve("/", workdir, target).replace(/\/$/, "") + (ending || (resolve("/", workdir, target) === "/" ? "/" : ""));
  const chmod = flag("chmod");
  const mode = chmod === undefined ? undefined : parseMode(chmod);
  if (chmod !== undefined && !mode) throw fail(`invalid chmod ${chmod}: expected a mode, such as 755 or u+x`);
  const excluded = flags.flatMap((f) => (f.name === "exclude" ? [shellWord(f.value, lookup)] : []));
  const exclude = excluded.length > 0 ? new IgnoreFile(excluded.join("\n")) : undefined;

  try {
    const documents = new Map(heredocs.map((heredoc) => [heredoc.name, heredoc]));
    const plain: string[] = [];
    const made: string[] = [];
    for (const word of words) {
      const heredoc = documents.get(/^<<-?(\w+)$/.exec(word)?.[1] ?? "");
      if (heredoc) made.push(makeFile(scratch, heredoc.name, heredoc.expands ? expandText(heredoc.text, lookup) : heredoc.text));
      else if (name === "ADD" && /^https?:\/\//.test(word)) made.push(await download(scratch, word, flag("checksum")));
      else plain.push(word);
    }
    if (words.length > 1 && !path.endsWith("/"))
      throw fail(`${words.length} sources for ${target}: the destination must be a directory and end with a /`);
    const copy = async (root: SourceRoot | undefined) => {
      using own = made.length > 0 ? fd.openat(fd.AT_FDCWD, scratch, fd.O_RDONLY | fd.O_DIRECTORY) : undefined;
      const batches: { root: SourceRoot; sources: Source[] }[] = [];
      const place = root && exclude ? { ...root, exclude } : root;
      if (place && plain.length > 0) batches.push({ root: place, sources: plain.flatMap((pattern) => findSources(place, pattern)) });
      if (own)
        batches.push({
          root: { root: own, ignore: undefined, name: "the Dockerfile" },
          sources: made.map((file) => ({ path: file, isFolder: false })),
        });
      const owner = await ownerOf(build, state, flag("chown"));
      const hasher = new Bun.CryptoHasher("sha256");
      for (const batch of batches)
        writeSources((bytes) => hasher.update(bytes), batch.root, batch.sources, undefined, { ...owner, mode, timeless: true });
      const part = `${name} ${hasher.digest("hex")} ${owner.uid}:${owner.gid} ${[chmod, ...excluded].join(" ")} ${JSON.stringify(words)} ${path}`;
      await build.take(state, part, () => addLayer(build, state, instruction, path, batches, { ...owner, mode }));
    };
    if (from === undefined && plain.length === 0) await copy(undefined);
    else await withSources(build, from, fail, copy);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function ownerOf(build: BuildOfSteps, state: State, text: string | undefined): Promise<{ uid: number; gid: number }> {
  if (text === undefined) return { uid: 0, gid: 0 };
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (uid !== undefined) return { uid: Number(uid), gid: Number(gid ?? uid) };
  const { image } = state;
  if (!image) throw new EngineError(`--chown=${text}: FROM scratch knows no names, only numbers`);
  return await withFiles(build, image, (files) => {
    const read = (path: string) => {
      try {
        using file = openInRoot(files.root.fd, path, fd.O_RDONLY);
        return fd.readExactly(file.fd, Math.min(Number(fd.statat(file.fd, "").size), 1 << 20)).toString();
      } catch {
        return "";
      }
    };
    const [user = "", group = user] = text.split(":");
    const resolved = resolveUser({ user: `${user}:${group}`, groups: [] }, read("etc/passwd"), read("etc/group"));
    return { uid: resolved.uid, gid: resolved.gid };
  });
}

// The layer of a COPY or ADD.
async function addLayer(
  build: BuildOfSteps,
  state: State,
  { name, rest }: Instruction,
  place: string,
  batches: { root: SourceRoot; sources: Source[] }[],
  change: Omit<Change, "timeless">,
): Promise<string> {
  const config = state.config.config ?? {};
  const base = state.image ?? build.emptyImage();
  return await withContainer(build, base, async (record) => {
    await keepingMounts(async () => {
      for (const { root, sources } of batches) {
        const archives = name === "ADD" && root.name !== "the Dockerfile" ? sources.filter((source) => isUnpacked(root, source)) : [];
        for (const source of archives)
          await atPlace(build.engine, record, place.endsWith("/") ? place : `${place}/`, change, async (at) => {
            using file = openInRoot(root.root.fd, source.path, fd.O_RDONLY);
            const { size } = fd.statat(file.fd, "");
            await extractInto(at, decompress(readRange({ fd: file.fd, offset: 0, size: Number(size) })));
          });
        const others = sources.filter((source) => !archives.includes(source));
        if (others.length === 0) continue;
        const isFolder = others.length > 1 || others.some((source) => source.isFolder);
        await atPlace(build.engine, record, isFolder && !place.endsWith("/") ? `${place}/` : place, change, (at) =>
          writeInto(at, (write) => writeSources(write, root, others, at.name, change)),
        );
      }
    });
    return await commitStep(build.engine, record, base, { config, createdBy: `${name} ${rest}`, author: state.config.author ?? "" });
  });
}
