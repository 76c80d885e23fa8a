/** HTTP with a registry: schemes, certificates, authorization, redirects, and trying again. */
import type { Bytes } from "../unpack.ts";
import { type Credentials, findCredentials } from "./credentials.ts";
import { certificatesFor, isInsecure, type Tls } from "./hosts.ts";

export interface ConnectionOptions {
  /** Whether certificates are checked, and plain HTTP refused but for this machine. */
  tlsVerify: boolean;
  /** Folder with certificates for it. */
  certDir?: string | undefined;
  credentials?: Credentials;
  /** `http(s)://HOST[:PORT]` of a mirror, asked instead of the registry itself. */
  mirror?: string;
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

/** How often something is tried again, and after how many milliseconds, doubled each time. */
export const RETRIES = 5;
export const BACKOFF = 250;
/** A registry that says nothing for so long is taken for dead. */
const SILENCE = 30_000;
const MAX_REDIRECTS = 10;
/** Codes of a certificate that was refused. */
const CERTIFICATE = /CERT|SIGNED|ISSUER|VERIFY|ALTNAME/;
/** Codes whose names say too little. */
const WHY: Record<string, string> = { EPROTO: "the TLS handshake failed" };
const LOCAL = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;

export type Body = Uint8Array<ArrayBuffer> | ReadableStream | Blob;

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  /** Called for each attempt. */
  body?: () => Body;
  /** Statuses that are no failure. */
  accept: number[];
  /** Not to be sent again after a failure: the caller asks first how far it got. */
  once?: boolean;
}

export class Connection {
  readonly domain: string;
  readonly #bases: string[];
  readonly #tls: Tls;
  readonly #checksTls: boolean;
  readonly #credentials: Credentials | undefined;
  #authorization: string | undefined;
  /** The one of the bases that answered. */
  #base: string | undefined;

  constructor(domain: string, options: ConnectionOptions) {
    const host = options.mirror === undefined ? domain : new URL(options.mirror).host;
    this.domain = host;
    this.#checksTls = options.tlsVerify && !isInsecure(host);
    this.#tls = { ...certificatesFor(host, options.certDir), ...(!this.#checksTls && { rejectUnauthorized: false }) };
    this.#credentials = options.credentials ?? findCredentials(host);
    const server = host === "docker.io" ? "registry-1.docker.io" : host;
    const plain = LOCAL.test(host) || !this.#checksTls;
    if (options.mirror !== undefined) this.#bases = [options.mirror];
    else this.#bases = plain ? [`https://${server}`, `http://${server}`] : [`https://${server}`];
  }

  /** The full address of a path, or of what a registry names. */
  url(path: string): string {
    return new URL(path, this.#base ?? this.#bases[0]).href;
  }

  /** Asks for a path or address until there is an accepted answer. Throws {@link RegistryError}. */
  async request(path: string, options: RequestOptions): Promise<Response> {
    let asked = false;
    for (let attempt = 0; ; attempt++) {
      let response: Response;
      try {
        response = await this.#reach(path, options);
      } catch (error) {
        if (error instanceof RegistryError || options.once || attempt >= RETRIES || this.#base === undefined) throw this.wrap(error, undefined);
        await Bun.sleep(BACKOFF * 2 ** attempt);
        continue;
      }
      if (options.accept.includes(response.status)) return response;
      const challenge = response.headers.get("WWW-Authenticate");
      if (response.status === 401 && challenge && !asked) {
        asked = true;
        this.#authorization = await this.#authorize(challenge);
        if (this.#authorization !== undefined) continue;
      }
      if ((response.status === 429 || response.status >= 500) && attempt < RETRIES && !options.once) {
        const after = Number(response.headers.get("Retry-After")) * 1000;
        await Bun.sleep(Math.min(after > 0 ? after : BACKOFF * 2 ** attempt, 60_000));
        continue;
      }
      throw new RegistryError(await this.#refusal(response), response.status);
    }
  }

  /** Any failure in words that name the registry. */
  wrap(error: unknown, what: string | undefined): RegistryError {
    if (error instanceof RegistryError) return error;
    const e = error as Error & { code?: string };
    const why =
      e?.name === "TimeoutError" ? `no answer within ${SILENCE / 1000} seconds` : (WHY[e?.code ?? ""] ?? e?.code ?? e?.message ?? String(error));
    return new RegistryError(`${this.domain}: ${what === undefined ? "cannot be reached" : what}: ${why}`);
  }

  async #reach(path: string, options: RequestOptions): Promise<Response> {
    let failure: unknown;
    for (const base of this.#base === undefined ? this.#bases : [this.#base]) {
      try {
        const response = await this.#send(new URL(path, base), new URL(base).host, options);
        // A server of HTTPS that was asked without it: what counts is why TLS failed.
        if (response.status === 400 && failure !== undefined) break;
        this.#base ??= base;
        return response;
      } catch (error) {
        failure = error;
        // Who speaks TLS, but cannot be trusted, is not asked without it.
        if (CERTIFICATE.test((error as { code?: string }).code ?? "")) break;
      }
    }
    throw failure;
  }

  // Redirects are followed by hand, and an upload's address may be anybody's: credentials are for the registry's own host.
  async #send(url: URL, own: string, options: RequestOptions): Promise<Response> {
    let target = url;
    for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
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
          ...(options.body !== undefined && { body: options.body() as BodyInit }),
          redirect: "manual",
          signal: silence.signal,
          tls: this.#tls,
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
    if (url.protocol !== "https:" && !LOCAL.test(url.host) && this.#checksTls)
      throw new RegistryError(`${this.domain} wants credentials sent to ${url.host} without TLS`);
    if (fields.service) url.searchParams.set("service", fields.service);
    for (const scope of (fields.scope ?? "").split(" ").filter(Boolean)) url.searchParams.append("scope", scope);
    const response = await fetch(url, {
      headers: basic ? { Authorization: basic } : {},
      signal: AbortSignal.timeout(SILENCE),
      tls: this.#tls,
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
      404: "not found",
      429: "too many requests",
    }[response.status];
    return `${this.domain}: ${said || what || `HTTP ${response.status}`}`;
  }
}

/** The body's pieces, as long as one comes now and then. */
export async function* chunksOf(response: Response): AsyncGenerator<Bytes> {
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
