/** A registry by the OCI distribution specification 1.1: manifests, blobs, and who may have them. */
import { type Descriptor, DOCKER_LIST, DOCKER_MANIFEST, MAX_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../media-types.ts";
import type { Bytes } from "../unpack.ts";
import { type Credentials, findCredentials } from "./credentials.ts";

export interface RegistryOptions {
  /** Whether certificates are checked, and plain HTTP refused but for this machine. */
  tlsVerify: boolean;
  credentials?: Credentials;
}

/** A registry that refused, failed, or is none. */
export class RegistryError extends Error {
  override name = "RegistryError";
  constructor(
    message: string,
    /** Of HTTP, where it got that far. */
    readonly status?: number,
  ) {
    super(message);
  }
}

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
const RETRIES = 5;
const BACKOFF = 250; // milliseconds, doubled each time
/** A registry that says nothing for so long is taken for dead. */
const SILENCE = 30_000;
/** Codes of a certificate that was refused. */
const CERTIFICATE = /CERT|SIGNED|ISSUER|VERIFY|ALTNAME/;
const LOCAL = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;

type Body = Uint8Array<ArrayBuffer> | string | ReadableStream | ReturnType<typeof Bun.file>;
interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: Body;
  /** Statuses that are no failure. */
  accept: number[];
  /** May be sent again after a failure of the network. */
  repeatable?: boolean;
}

export class Registry {
  readonly #base: string[];
  readonly #domain: string;
  readonly #path: string;
  readonly #tlsVerify: boolean;
  #credentials: Credentials | undefined;
  #authorization: string | undefined;
  #scheme: string | undefined;

  /** @param path the repository, e.g. `library/busybox` */
  constructor(domain: string, path: string, options: RegistryOptions) {
    this.#domain = domain;
    this.#path = path;
    this.#tlsVerify = options.tlsVerify;
    this.#credentials = options.credentials ?? findCredentials(domain);
    const host = domain === "docker.io" ? "registry-1.docker.io" : domain;
    const plain = LOCAL.test(domain) || !options.tlsVerify;
    this.#base = plain ? [`https://${host}`, `http://${host}`] : [`https://${host}`];
  }

  /** A manifest or index by tag or digest, byte for byte. */
  async manifest(reference: string): Promise<{ bytes: Buffer; mediaType: string; digest: string }> {
    const response = await this.#request(`/v2/${this.#path}/manifests/${reference}`, {
      headers: { Accept: ACCEPT },
      accept: [200],
      repeatable: true,
    });
    const mediaType = (response.headers.get("Content-Type") ?? "").split(";")[0]?.trim() ?? "";
    if (!/json/.test(mediaType))
      throw new RegistryError(`${this.#domain} answered with ${mediaType || "nothing of a known type"}, expected a manifest: it may be no registry`);
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of chunksOf(response)) {
      size += chunk.length;
      if (size > MAX_MANIFEST) throw new RegistryError(`the manifest of ${this.#path} has more than ${MAX_MANIFEST} bytes`);
      parts.push(chunk);
    }
    const bytes = Buffer.concat(parts);
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
    if (reference.startsWith("sha256:") && reference !== digest)
      throw new RegistryError(`manifest of ${this.#path} has digest ${digest}, asked for ${reference}`);
    return { bytes, mediaType, digest };
  }

  /** A blob's bytes; a connection that breaks is taken up again where it broke. The caller checks the digest. */
  async *blob({ digest, size }: Pick<Descriptor, "digest" | "size">): AsyncGenerator<Bytes> {
    let at = 0;
    for (let attempt = 0; ; attempt++) {
      try {
        const headers: Record<string, string> = at > 0 ? { Range: `bytes=${at}-` } : {};
        const response = await this.#request(`/v2/${this.#path}/blobs/${digest}`, { headers, accept: [200, 206], repeatable: true });
        let skip = response.status === 206 ? 0 : at;
        for await (const chunk of chunksOf(response)) {
          const rest = chunk.subarray(Math.min(skip, chunk.length)) as Bytes;
          skip -= chunk.length - rest.length;
          at += rest.length;
          if (at > size) throw new RegistryError(`blob ${digest} has more than the ${size} bytes it was announced with`);
          if (rest.length > 0) yield rest;
        }
        if (at === size) return;
        throw new TypeError("the connection ended early");
      } catch (error) {
        if (error instanceof RegistryError || attempt >= RETRIES) throw this.#wrap(error, `blob ${digest}`);
        await Bun.sleep(BACKOFF * 2 ** attempt);
      }
    }
  }

  async hasBlob(digest: string): Promise<boolean> {
    return (await this.#request(`/v2/${this.#path}/blobs/${digest}`, { method: "HEAD", accept: [200, 404], repeatable: true })).status === 200;
  }

  /** Puts a blob there: out of another repository of the registry where it has it, else by uploading it. */
  async putBlob(
    { digest, size }: Pick<Descriptor, "digest" | "size">,
    open: () => Body,
    from: string | undefined,
  ): Promise<"exists" | "mounted" | "pushed"> {
    if (await this.hasBlob(digest)) return "exists";
    const mount = from === undefined ? "" : `?mount=${digest}&from=${encodeURIComponent(from)}`;
    const start = await this.#request(`/v2/${this.#path}/blobs/uploads/${mount}`, { method: "POST", accept: [201, 202] });
    if (start.status === 201) return "mounted";
    const location = start.headers.get("Location");
    if (!location) throw new RegistryError(`${this.#domain} opened an upload without saying where`);
    const url = new URL(location, this.#url("/"));
    url.searchParams.set("digest", digest);
    const headers = { "Content-Type": "application/octet-stream", "Content-Length": String(size) };
    await this.#request(url.href, { method: "PUT", headers, body: open(), accept: [201] });
    return "pushed";
  }

  /** Puts a manifest there under a tag or its digest. */
  async putManifest(reference: string, bytes: Uint8Array<ArrayBuffer>, mediaType: string): Promise<void> {
    await this.#request(`/v2/${this.#path}/manifests/${reference}`, {
      method: "PUT",
      headers: { "Content-Type": mediaType },
      body: bytes,
      accept: [201, 202],
    });
  }

  async tags(): Promise<string[]> {
    const tags: string[] = [];
    let path: string | undefined = `/v2/${this.#path}/tags/list`;
    for (let page = 0; path !== undefined && page < 1000; page++) {
      const response = await this.#request(path, { accept: [200], repeatable: true });
      tags.push(...(((await response.json()) as { tags?: string[] | null }).tags ?? []));
      const next: string | undefined = /<([^>]+)>;\s*rel="?next"?/.exec(response.headers.get("Link") ?? "")?.[1];
      path = next === undefined ? undefined : new URL(next, this.#url("/")).href;
    }
    return tags;
  }

  /** Asks whether the registry takes these credentials. */
  async login(): Promise<void> {
    await this.#request("/v2/", { accept: [200], repeatable: true });
  }

  #url(path: string): string {
    return /^https?:/.test(path) ? path : `${this.#scheme ?? this.#base[0]}${path}`;
  }

  async #request(path: string, options: RequestOptions): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      const response = await this.#fetch(path, options, attempt);
      if (response === undefined) continue;
      if (options.accept.includes(response.status)) return response;
      const challenge = response.headers.get("WWW-Authenticate");
      if (response.status === 401 && challenge && attempt === 0) {
        this.#authorization = await this.#authorize(challenge);
        if (this.#authorization !== undefined && !(options.body instanceof ReadableStream)) continue;
      }
      if ((response.status === 429 || response.status >= 500) && attempt < RETRIES && options.repeatable) {
        const after = Number(response.headers.get("Retry-After")) * 1000;
        await Bun.sleep(Math.min(after > 0 ? after : BACKOFF * 2 ** attempt, 60_000));
        continue;
      }
      throw new RegistryError(await this.#refusal(response), response.status);
    }
  }

  // undefined: it failed and may be tried again.
  async #fetch(path: string, options: RequestOptions, attempt: number): Promise<Response | undefined> {
    const bases = this.#scheme === undefined ? this.#base : [this.#scheme];
    let failure: unknown;
    for (const base of bases) {
      const url = /^https?:/.test(path) ? path : `${base}${path}`;
      try {
        const response = await this.#send(url, options);
        this.#scheme ??= base;
        return response;
      } catch (error) {
        failure = error;
        // Who speaks TLS, but cannot be trusted, is not asked without it.
        if (CERTIFICATE.test((error as { code?: string }).code ?? "")) break;
      }
    }
    if (!options.repeatable || attempt >= RETRIES || this.#scheme === undefined) throw this.#wrap(failure, undefined);
    await Bun.sleep(BACKOFF * 2 ** attempt);
    return undefined;
  }

  // Redirects are followed by hand: credentials do not go along to another host.
  async #send(url: string, options: RequestOptions): Promise<Response> {
    let target = new URL(url);
    const own = target.host;
    for (let hop = 0; hop < 10; hop++) {
      const headers: Record<string, string> = { "User-Agent": `berth/${BERTH_VERSION}`, ...options.headers };
      if (this.#authorization !== undefined && target.host === own) headers.Authorization = this.#authorization;
      // Up to the answer only: content may take its time, as long as it comes.
      const silence = new AbortController();
      const timer = options.body === undefined ? setTimeout(() => silence.abort(new DOMException("silent", "TimeoutError")), SILENCE) : undefined;
      let response: Response;
      try {
        response = await fetch(target, {
          method: options.method ?? "GET",
          headers,
          ...(options.body !== undefined && { body: options.body as BodyInit }),
          redirect: "manual",
          signal: silence.signal,
          ...(!this.#tlsVerify && { tls: { rejectUnauthorized: false } }),
        } as RequestInit);
      } finally {
        clearTimeout(timer);
      }
      const location = response.headers.get("Location");
      if (![301, 302, 303, 307, 308].includes(response.status) || !location || options.method === "POST") return response;
      target = new URL(location, target);
    }
    throw new RegistryError(`${own} redirects without end`);
  }

  // distribution's token protocol (spec/auth/token), or HTTP's basic one.
  async #authorize(challenge: string): Promise<string | undefined> {
    const basic = this.#credentials && `Basic ${Buffer.from(`${this.#credentials.username}:${this.#credentials.password}`).toString("base64")}`;
    if (/^basic/i.test(challenge)) return basic;
    const fields = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name, value]));
    if (!/^bearer/i.test(challenge) || !fields.realm) return undefined;
    const url = new URL(fields.realm);
    if (url.protocol !== "https:" && !LOCAL.test(url.host) && this.#tlsVerify)
      throw new RegistryError(`${this.#domain} wants credentials sent to ${url.host} without TLS`);
    if (fields.service) url.searchParams.set("service", fields.service);
    for (const scope of (fields.scope ?? "").split(" ").filter(Boolean)) url.searchParams.append("scope", scope);
    const response = await fetch(url, {
      headers: basic ? { Authorization: basic } : {},
      signal: AbortSignal.timeout(SILENCE),
      ...(!this.#tlsVerify && { tls: { rejectUnauthorized: false } }),
    } as RequestInit);
    if (!response.ok) throw new RegistryError(await this.#refusal(response), response.status);
    const { token, access_token: other } = (await response.json()) as { token?: string; access_token?: string };
    return token || other ? `Bearer ${token ?? other}` : undefined;
  }

  async #refusal(response: Response): Promise<string> {
    let said = "";
    try {
      const { errors } = JSON.parse((await response.text()).slice(0, 10_000)) as { errors?: { code: string; message?: string }[] };
      said = (errors ?? []).map(({ code, message }) => `${code.toLowerCase().replaceAll("_", " ")}${message ? `: ${message}` : ""}`).join(", ");
    } catch {
      // not a registry's own words
    }
    const what = {
      401: "unauthorized: authentication required",
      403: "denied: access forbidden",
      404: `manifest or repository ${this.#path} not found`,
      429: "too many requests",
    }[response.status];
    return `${this.#domain}: ${said || what || `HTTP ${response.status}`}`;
  }

  #wrap(error: unknown, what: string | undefined): RegistryError {
    if (error instanceof RegistryError) return error;
    const e = error as Error & { code?: string };
    const why = e?.name === "TimeoutError" ? `no answer within ${SILENCE / 1000} seconds` : (e?.code ?? e?.message ?? String(error));
    return new RegistryError(`${this.#domain}: ${what === undefined ? "cannot be reached" : what}: ${why}`);
  }
}

// The body's pieces, as long as one comes now and then.
async function* chunksOf(response: Response): AsyncGenerator<Bytes> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const silent = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new DOMException("silent", "TimeoutError")), SILENCE);
      });
      try {
        const { done, value } = await Promise.race([reader.read(), silent]);
        if (done) return;
        yield value as Bytes;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

/** The content of a file, for {@link Registry.putBlob}. */
export const fileBody = (path: string) => () => Bun.file(path);
/** Small content. */
export const bytesBody = (bytes: Uint8Array<ArrayBuffer>) => () => bytes;
