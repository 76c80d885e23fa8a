/**
 * What this machine knows of registries: whom to ask instead, whom to trust. The files
 * are docker's (dockerd's daemon.json and certs.d), so that a host that has them needs
 * nothing new.
 */
import { existsSync, readdirSync, readFileSync } from "../../../ffi/files.ts";
import { join } from "../../../ffi/path.ts";

/** A file of this machine's that cannot be used. */
export class HostsError extends Error {
  override name = "HostsError";
}

const CONFIGS = ["/etc/berth/config.json", "/etc/docker/daemon.json"];
const CERTIFICATES = ["/etc/berth/certs.d", "/etc/docker/certs.d"];
/** Where distributions keep the authorities they trust, as Go's crypto/x509 looks for them; without any, Bun's own are used. */
const AUTHORITIES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

interface Config {
  "registry-mirrors"?: string[];
  "insecure-registries"?: string[];
}

// The first there is: BERTH_CONFIG, else one of the usual places.
function readConfig(): Config {
  const path = process.env.BERTH_CONFIG ?? CONFIGS.find((file) => existsSync(file));
  if (path === undefined) return {};
  let config: Config;
  try {
    config = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new HostsError(`${path}: ${error instanceof SyntaxError ? "not JSON" : (error as Error).message}`);
  }
  for (const key of ["registry-mirrors", "insecure-registries"] as const) {
    const value = config[key];
    if (value !== undefined && !(Array.isArray(value) && value.every((v) => typeof v === "string")))
      throw new HostsError(`${path}: ${key} is ${JSON.stringify(value)}, expected a list of strings`);
  }
  return config;
}

/** Addresses, `http(s)://HOST[:PORT]`, that are asked before a registry; docker.io's only, as dockerd has it. Throws {@link HostsError}. */
export function mirrorsOf(domain: string): string[] {
  if (domain !== "docker.io") return [];
  return (readConfig()["registry-mirrors"] ?? []).map((mirror) => {
    if (!URL.canParse(mirror) || !/^https?:/.test(mirror))
      throw new HostsError(`registry-mirrors has ${JSON.stringify(mirror)}, expected http(s)://HOST[:PORT]`);
    return mirror.replace(/\/+$/, "");
  });
}

/** Whether the machine's configuration excuses a registry from TLS. */
export function isInsecure(domain: string): boolean {
  return (readConfig()["insecure-registries"] ?? []).includes(domain);
}

/** Of Bun's fetch: whom it trusts, and how it tells who we are. PEM. */
export interface Tls {
  ca?: string[];
  cert?: string;
  key?: string;
  rejectUnauthorized?: boolean;
}

/**
 * Certificates for a registry: those the machine trusts, and `*.crt` (authorities),
 * `*.cert` and `*.key` (our own) in a folder of the registry's (dockerd, "Verify
 * repository client with certificates").
 *
 * @param folder instead of certs.d/DOMAIN
 * @throws {HostsError} where a certificate has no key
 */
export function certificatesFor(domain: string, folder: string | undefined): Tls {
  const system = process.env.SSL_CERT_FILE ?? AUTHORITIES.find((file) => existsSync(file));
  const trusted = system !== undefined && existsSync(system) ? [readFileSync(system, "utf8")] : [];
  const where = folder ?? CERTIFICATES.map((place) => join(place, domain)).find((place) => existsSync(place));
  if (where === undefined) return trusted.length > 0 ? { ca: trusted } : {};
  let names: string[];
  try {
    names = readdirSync(where).sort();
  } catch (error) {
    throw new HostsError(`${where}: ${(error as { code?: string }).code ?? error}, expected a folder with certificates`);
  }
  const read = (name: string) => readFileSync(join(where, name), "utf8");
  const own = names.find((name) => name.endsWith(".cert"));
  const key = own?.replace(/\.cert$/, ".key");
  if (key !== undefined && !names.includes(key)) throw new HostsError(`${where}: missing key ${key} for client certificate ${own}`);
  return {
    ca: [...trusted, ...names.filter((name) => name.endsWith(".crt")).map(read)],
    ...(own !== undefined && key !== undefined && { cert: read(own), key: read(key) }),
  };
}
