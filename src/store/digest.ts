/** Digests of content (image-spec descriptor.md, "Digests"). */

export type Algorithm = "sha256" | "sha512";

export function algorithmOf(digest: string): Algorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

export function digestOf(bytes: string | Uint8Array, algorithm: Algorithm = "sha256"): string {
  return `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;
}
