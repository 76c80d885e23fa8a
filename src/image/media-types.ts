/** Media types of manifests, configurations and layers: OCI's (image-spec media-types.md) and docker's schema 2. */

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

/** A piece of content by its digest (image-spec descriptor.md). Size in bytes. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
  platform?: Platform;
}

export interface Platform {
  architecture: string;
  os: string;
  variant?: string;
}

/** An image manifest (image-spec manifest.md). */
export interface Manifest {
  schemaVersion: 2;
  mediaType?: string;
  config: Descriptor;
  layers: Descriptor[];
  annotations?: Record<string, string>;
}

/** A list of manifests (image-spec image-index.md). */
export interface Index {
  schemaVersion: 2;
  mediaType?: string;
  manifests: Descriptor[];
}

/** The layer's media type in OCI's words, for a compression. */
export function layerMediaType(compression: "none" | "gzip" | "zstd"): string {
  return compression === "none" ? OCI_LAYER : `${OCI_LAYER}+${compression}`;
}

/** A manifest or index that cannot be used. */
export class ManifestError extends Error {
  override name = "ManifestError";
}

const DIGEST = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
/** Larger ones registries refuse too (distribution-spec, "Pushing Manifests"). */
export const MAX_MANIFEST = 4 << 20;

function checkDescriptor(value: unknown, what: string): Descriptor {
  const d = value as Partial<Descriptor> | null;
  if (typeof d?.digest !== "string" || !DIGEST.test(d.digest))
    throw new ManifestError(`${what} has digest ${JSON.stringify(d?.digest ?? null)}, expected sha256:… or sha512:…`);
  if (typeof d.size !== "number" || !Number.isSafeInteger(d.size) || d.size < 0)
    throw new ManifestError(`${what} has size ${JSON.stringify(d.size ?? null)}, expected a number of bytes`);
  return { ...d, mediaType: d.mediaType ?? "" } as Descriptor;
}

/** Reads a manifest or index and checks its shape. Throws {@link ManifestError}. */
export function parseManifest(bytes: Uint8Array): { manifest: Manifest } | { index: Index } {
  if (bytes.length > MAX_MANIFEST) throw new ManifestError(`the manifest has ${bytes.length} bytes, expected at most ${MAX_MANIFEST}`);
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw new ManifestError("the manifest is not JSON");
  }
  if (value?.schemaVersion !== 2)
    throw new ManifestError(`the manifest has schemaVersion ${JSON.stringify(value?.schemaVersion ?? null)}, expected 2`);
  if (Array.isArray(value.manifests)) {
    const manifests = value.manifests.map((m, i) => checkDescriptor(m, `manifest ${i} of the index`));
    return { index: { ...(value as unknown as Index), manifests } };
  }
  if (!Array.isArray(value.layers)) throw new ManifestError("the manifest has no layers");
  const config = checkDescriptor(value.config, "the configuration");
  const layers = value.layers.map((l, i) => checkDescriptor(l, `layer ${i}`));
  for (const [i, { mediaType }] of layers.entries()) {
    if (/foreign|nondistributable/.test(mediaType)) throw new ManifestError(`layer ${i} is of type ${mediaType}, which is not to be distributed`);
  }
  return { manifest: { ...(value as unknown as Manifest), config, layers } };
}

/** This machine's platform, in OCI's words. */
export function ownPlatform(): Platform {
  return process.arch === "arm64" ? { os: "linux", architecture: "arm64", variant: "v8" } : { os: "linux", architecture: "amd64" };
}

/** `OS/ARCH[/VARIANT]` or `ARCH`. Throws {@link ManifestError}. */
export function parsePlatform(text: string): Platform {
  const [first = "", second, variant] = text.split("/");
  const [os, architecture] = second === undefined ? ["linux", first] : [first, second];
  if (!/^[a-z0-9]+$/.test(os) || !/^[a-z0-9_]+$/.test(architecture))
    throw new ManifestError(`invalid platform ${JSON.stringify(text)}: expected OS/ARCH[/VARIANT]`);
  const aliases: Record<string, string> = { x86_64: "amd64", aarch64: "arm64", armhf: "arm" };
  return { os, architecture: aliases[architecture] ?? architecture, ...(variant && { variant }) };
}

/** The manifest of an index for a platform. Throws {@link ManifestError} that says what there is. */
export function choosePlatform(index: Index, wanted: Platform): Descriptor {
  const candidates = index.manifests.filter(({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture);
  const exact = candidates.find(({ platform }) => (platform?.variant ?? "") === (wanted.variant ?? ""));
  // arm64 without a variant is v8; an older arm runs on a newer one.
  const versions = (d: Descriptor) => Number(d.platform?.variant?.slice(1) ?? 0);
  const older = candidates
    .filter((d) => wanted.variant === undefined || versions(d) <= Number(wanted.variant.slice(1)))
    .sort((a, b) => versions(b) - versions(a));
  const found = exact ?? older[0];
  if (found) return found;
  const name = ({ os, architecture, variant }: Platform) => [os, architecture, variant].filter(Boolean).join("/");
  const offered = index.manifests.flatMap(({ platform }) => (platform && platform.os !== "unknown" ? [name(platform)] : []));
  throw new ManifestError(
    `no matching manifest for ${name(wanted)} in the manifest list entries: it has ${offered.join(", ") || "none with a platform"}`,
  );
}
