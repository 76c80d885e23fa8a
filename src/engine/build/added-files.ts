/** Files that COPY and ADD do not find in a context, and those that ADD unpacks. */

import * as fd from "../../../ffi/fd.ts";
import { existsSync, mkdirSync, writeFileSync } from "../../../ffi/files.ts";
import { openInRoot } from "../../../ffi/in-root.ts";
import { basename, join } from "../../../ffi/path.ts";
import { ARCHIVE_HEAD, isArchive } from "../../image/unpack.ts";
import { EngineError } from "../errors.ts";
import type { Source, SourceRoot } from "./context.ts";

/** Writes a document of the Dockerfile to a file of a folder; gives its name. */
export function makeFile(folder: string, name: string, text: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, name), text, { mode: 0o644 });
  return name;
}

/**
 * A file that ADD takes from the network; gives its name. Throws {@link EngineError}.
 *
 * @param checksum `sha256:…`, what it must have
 */
export async function download(folder: string, url: string, checksum: string | undefined): Promise<string> {
  if (checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(checksum))
    throw new EngineError(`ADD --checksum=${checksum}: expected sha256: and 64 hexadecimal digits`);
  const name = basename(new URL(url).pathname);
  if (name === "" || name === "/") throw new EngineError(`ADD ${url}: cannot determine filename from url`);
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new EngineError(`ADD ${url}: ${(error as Error).message}`);
  }
  if (!response.ok) throw new EngineError(`ADD ${url}: the server answers ${response.status} ${response.statusText}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (existsSync(join(folder, name))) throw new EngineError(`ADD ${url}: two files of this name`);
  await Bun.write(join(folder, name), response);
  if (checksum === undefined) return name;
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(join(folder, name)).stream()) hasher.update(chunk);
  const found = `sha256:${hasher.digest("hex")}`;
  if (found !== checksum) throw new EngineError(`ADD ${url}: digest mismatch: expected ${checksum}, got ${found}`);
  return name;
}

/** Whether ADD unpacks it. */
export function isUnpacked({ root }: SourceRoot, { path, isFolder }: Source): boolean {
  if (isFolder) return false;
  using file = openInRoot(root.fd, path, fd.O_RDONLY);
  const { size, mode } = fd.statat(file.fd, "");
  if ((mode & fd.S_IFMT) !== fd.S_IFREG) return false;
  const head = fd.readExactly(file.fd, Math.min(Number(size), ARCHIVE_HEAD));
  return isArchive(head);
}
