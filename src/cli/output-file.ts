/** A file of `-o`, written beside and renamed, or standard output. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { resolve } from "../../ffi/path.ts";
import { CommandFailure } from "./errors.ts";
import { printBlocking } from "./streams.ts";

/** Calls back with where to write; a file appears only when it is whole. */
export async function writeOutput(path: string | undefined, produce: (write: (bytes: Uint8Array) => void) => void | Promise<void>): Promise<void> {
  if (path === undefined) {
    await produce(printBlocking);
    return;
  }
  // Absolute: what is written may take this process to another folder.
  const target = resolve(path);
  const beside = `${target}.${process.pid}.partial`;
  let fd: number;
  try {
    fd = openSync(beside, "wx", 0o600); // as with docker: an image may hold secrets
  } catch (error) {
    throw new CommandFailure(`open ${path}: ${reasonOf(error)}`, 1);
  }
  try {
    await produce((bytes) => {
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      } catch (error) {
        throw new CommandFailure(`write ${path}: ${reasonOf(error)}`, 1);
      }
    });
    closeSync(fd);
    renameSync(beside, target);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
