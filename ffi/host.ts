/** What this machine says of itself, without node:os. */
import { readFileSync } from "./files.ts";

const kernel = (name: string) => readFileSync(`/proc/sys/kernel/${name}`, "utf8").trimEnd();

/** Of this process's UTS namespace. */
export const hostname = (): string => kernel("hostname");

/** Version of the kernel: `6.1.0-56-amd64`. */
export const release = (): string => kernel("osrelease");

/** Of this process's user. */
export function homeFolder(): string {
  if (process.env.HOME) return process.env.HOME;
  const { homedir } = require("node:os") as typeof import("node:os");
  return homedir();
}

/** Where a program is, by this process's PATH; `Bun.which` alone goes by that of a snapshot's maker. */
export const findProgram = (name: string): string | null => Bun.which(name, { PATH: process.env.PATH ?? "" });
