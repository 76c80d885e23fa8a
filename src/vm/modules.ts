/** Modules of the kernel, found by the list that depmod makes (modules.dep(5)), and loaded after those they need. */

import { AT_FDCWD, O_RDONLY, openat } from "../../ffi/fd.ts";
import { readFileSync } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { loadModule } from "../../ffi/machine.ts";
import { basename, join } from "../../ffi/path.ts";

/** What containers and their networks need, and what virtual machines have. */
export const USUAL_MODULES = [
  // The kernel asks for these by name where others need them, of a modprobe that is not there.
  ...["crc32c_generic", "crc32c_intel"],
  ...["overlay", "bridge", "veth", "nf_tables", "nft_chain_nat", "nft_ct", "nft_nat", "nft_masq", "nft_fib_inet", "br_netfilter"],
  ...["virtio_pci", "virtio_mmio", "virtio_net", "virtio_blk", "virtio_console", "e1000", "ext4"],
];

const nameOf = (path: string) =>
  basename(path)
    .replace(/\.ko(\.\w+)?$/, "")
    .replaceAll("-", "_");

/** Modules by name: their files, relative to the kernel's folder, and those they need. */
export class ModuleIndex {
  readonly folder: string;
  readonly #files = new Map<string, { path: string; needs: string[] }>();
  readonly #builtIn: Set<string>;

  /** @param folder such as /lib/modules/6.1.0-1-amd64. @throws where it has no modules.dep */
  constructor(folder: string) {
    this.folder = folder;
    for (const line of readFileSync(join(folder, "modules.dep"), "utf8").split("\n")) {
      const [path, needs = ""] = line.split(":");
      if (path) this.#files.set(nameOf(path), { path, needs: needs.trim().split(/\s+/).filter(Boolean) });
    }
    let builtIn = "";
    try {
      builtIn = readFileSync(join(folder, "modules.builtin"), "utf8");
    } catch {} // then all are files
    this.#builtIn = new Set(builtIn.split("\n").map(nameOf));
  }

  isBuiltIn(name: string): boolean {
    return this.#builtIn.has(name);
  }

  /** Files of modules, each after those that it needs; names that there are none of are left out. */
  files(names: string[]): string[] {
    const found = new Set<string>();
    const add = (path: string) => {
      const entry = this.#files.get(nameOf(path));
      if (!entry || found.has(entry.path)) return;
      // modules.dep has all of them, the deepest last.
      for (const need of entry.needs.toReversed()) add(need);
      found.add(entry.path);
    };
    for (const name of names) add(name);
    return [...found];
  }
}

/** Loads modules; gives those that could not be, with the reason. */
export function loadModules(index: ModuleIndex, names: string[]): string[] {
  return index.files(names).flatMap((path) => {
    try {
      using file = openat(AT_FDCWD, join(index.folder, path), O_RDONLY);
      loadModule(file, /\.(xz|zst|gz)$/.test(path));
      return [];
    } catch (error) {
      return [`${nameOf(path)}: ${reasonOf(error)}`];
    }
  });
}
