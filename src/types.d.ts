/** Packages that bring no types of their own. */
declare module "unbzip2-stream" {
  import type { Duplex } from "node:stream";
  /** A stream that undoes bzip2. */
  export default function unbzip2(): Duplex;
}
