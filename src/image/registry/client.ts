/** A repository of a registry by the OCI distribution specification 1.1: manifests, blobs, tags. */
import { algorithmOf, digestOf } from "../../store/digest.ts";
import { type Descriptor, DOCKER_LIST, DOCKER_MANIFEST, MAX_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../media-types.ts";
import type { Bytes } from "../unpack.ts";
import { BACKOFF, Connection, type ConnectionOptions, chunksOf, RETRIES, RegistryError } from "./connection.ts";
import { type UploadContent, uploadBlob } from "./upload.ts";

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
const MAX_PAGES = 1000;

export class Registry {
  readonly #connection: Connection;
  readonly #path: string;

  /** @param path the repository, e.g. `library/busybox` */
  constructor(domain: string, path: string, options: ConnectionOptions) {
    this.#connection = new Connection(domain, options);
    this.#path = path;
  }

  /** A manifest or index by tag or digest, byte for byte. */
  async manifest(reference: string): Promise<{ bytes: Buffer; mediaType: string; digest: string }> {
    const response = await this.#connection.request(`/v2/${this.#path}/manifests/${reference}`, { headers: { Accept: ACCEPT }, accept: [200] });
    const mediaType = (response.headers.get("Content-Type") ?? "").split(";")[0]?.trim() ?? "";
    if (!/json/.test(mediaType))
      throw new RegistryError(
        `${this.#connection.domain} answered with ${mediaType || "nothing of a known type"}, expected a manifest: it may be no registry`,
      );
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of chunksOf(response)) {
      size += chunk.length;
      if (size > MAX_MANIFEST) throw new RegistryError(`the manifest of ${this.#path} has more than ${MAX_MANIFEST} bytes`);
      parts.push(chunk);
    }
    const bytes = Buffer.concat(parts);
    const digest = digestOf(bytes, algorithmOf(reference));
    if (/^sha(256|512):/.test(reference) && reference !== digest)
      throw new RegistryError(`manifest of ${this.#path} has digest ${digest}, asked for ${reference}`);
    return { bytes, mediaType, digest };
  }

  /** A blob's bytes; a connection that breaks is taken up again where it broke. The caller checks the digest. */
  async *blob({ digest, size }: Pick<Descriptor, "digest" | "size">): AsyncGenerator<Bytes> {
    let at = 0;
    for (let attempt = 0; ; attempt++) {
      try {
        const headers: Record<string, string> = at > 0 ? { Range: `bytes=${at}-` } : {};
        const response = await this.#connection.request(`/v2/${this.#path}/blobs/${digest}`, { headers, accept: [200, 206] });
        let skip = response.status === 206 ? 0 : at;
        for await (const chunk of chunksOf(response)) {
          const rest = chunk.subarray(Math.min(skip, chunk.length)) as Bytes;
          skip -= chunk.length - rest.length;
          at += rest.length;
          if (at > size) throw new RegistryError(`blob ${digest} has more than the ${size} bytes it was announced with`);
          if (rest.length > 0) {
            attempt = 0;
            yield rest;
          }
        }
        if (at === size) return;
        throw new TypeError("the connection ended early");
      } catch (error) {
        if (error instanceof RegistryError || attempt >= RETRIES) throw this.#connection.wrap(error, `blob ${digest}`);
        await Bun.sleep(BACKOFF * 2 ** attempt);
      }
    }
  }

  async hasBlob(digest: string): Promise<boolean> {
    return (await this.#connection.request(`/v2/${this.#path}/blobs/${digest}`, { method: "HEAD", accept: [200, 404] })).status === 200;
  }

  /**
   * Puts a blob there, unless it is there: out of another repository of the registry
   * where it has it, else by uploading it.
   */
  async putBlob(content: UploadContent, from: string | undefined): Promise<"exists" | "mounted" | "pushed"> {
    const { digest } = content;
    if (await this.hasBlob(digest)) return "exists";
    const uploads = `/v2/${this.#path}/blobs/uploads/`;
    const mount = from === undefined ? "" : `?mount=${digest}&from=${encodeURIComponent(from)}`;
    const started = await this.#connection.request(uploads + mount, { method: "POST", headers: { "Content-Length": "0" }, accept: [201, 202] });
    if (started.status === 201) return "mounted";
    await uploadBlob(this.#connection, uploads, started, content);
    return "pushed";
  }

  /** Puts a manifest there under a tag or its digest. */
  async putManifest(reference: string, bytes: Uint8Array<ArrayBuffer>, mediaType: string): Promise<void> {
    await this.#connection.request(`/v2/${this.#path}/manifests/${reference}`, {
      method: "PUT",
      headers: { "Content-Type": mediaType },
      body: () => bytes,
      accept: [201, 202],
    });
  }

  tags(): Promise<string[]> {
    return this.#pages(`/v2/${this.#path}/tags/list`, "tags");
  }

  /** Names of the registry's repositories, where it tells them. */
  repositories(): Promise<string[]> {
    return this.#pages("/v2/_catalog", "repositories");
  }

  /** Asks whether the registry takes these credentials. */
  async login(): Promise<void> {
    await this.#connection.request("/v2/", { accept: [200] });
  }

  async #pages(first: string, key: "tags" | "repositories"): Promise<string[]> {
    const names: string[] = [];
    let path: string | undefined = first;
    for (let page = 0; path !== undefined && page < MAX_PAGES; page++) {
      const response = await this.#connection.request(path, { accept: [200] });
      names.push(...(((await response.json()) as Record<string, string[] | null>)[key] ?? []));
      const next: string | undefined = /<([^>]+)>;\s*rel="?next"?/.exec(response.headers.get("Link") ?? "")?.[1];
      path = next === undefined ? undefined : this.#connection.url(next);
    }
    return names;
  }
}

/** The content of a file, for {@link Registry.putBlob}; `sent` is told how many bytes have gone. */
export function fileContent(path: string, digest: string, size: number, sent?: (bytes: number) => void): UploadContent {
  const slice = (from: number, to: number) => Bun.file(path).slice(from, to);
  if (!sent) return { digest, size, slice };
  const counted = (from: number, to: number) => {
    let at = from;
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        at += chunk.length;
        sent(at);
        controller.enqueue(chunk);
      },
    });
    return slice(from, to).stream().pipeThrough(count);
  };
  return { digest, size, slice: counted };
}

/** Small content. */
export function bytesContent(bytes: Uint8Array<ArrayBuffer>, digest: string): UploadContent {
  return { digest, size: bytes.length, slice: (from, to) => bytes.slice(from, to) };
}
