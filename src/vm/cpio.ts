/** Archives as the kernel unpacks them at its start: cpio, "newc" (initramfs-buffer-format.rst). The same files give the same bytes. */
import { encodeName } from "../../ffi/file-name.ts";

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const TRAILER = "TRAILER!!!";

export class CpioWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #folders = new Set<string>();
  #inode = 0;

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** With the folders above it. */
  file(path: string, content: Uint8Array, mode: number): void {
    this.#above(path);
    this.#entry(path, S_IFREG | mode, content);
  }

  link(path: string, target: string): void {
    this.#above(path);
    this.#entry(path, S_IFLNK | 0o777, encodeName(target));
  }

  folder(path: string): void {
    if (this.#folders.has(path)) return;
    this.#above(path);
    this.#folders.add(path);
    this.#entry(path, S_IFDIR | 0o755, new Uint8Array());
  }

  close(): void {
    this.#entry(TRAILER, 0, new Uint8Array());
  }

  #above(path: string): void {
    const slash = path.lastIndexOf("/");
    if (slash > 0) this.folder(path.slice(0, slash));
  }

  // A hundred and ten bytes of numbers, the name, the content; both end on a multiple of four.
  #entry(path: string, mode: number, content: Uint8Array): void {
    const name = Buffer.concat([encodeName(path), Buffer.of(0)]);
    const links = (mode & S_IFDIR) === S_IFDIR ? 2 : 1;
    const [inode, user, group, time, device] = [path === TRAILER ? 0 : ++this.#inode, 0, 0, 0, 0];
    const fields = [inode, mode, user, group, links, time, content.length, device, device, device, device, name.length, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
    this.#write(header);
    this.#write(name);
    this.#write(Buffer.alloc(-(header.length + name.length) & 3));
    this.#write(content);
    this.#write(Buffer.alloc(-content.length & 3));
  }
}
