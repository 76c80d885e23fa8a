/** Credentials of ~/.docker/config.json, as docker's client keeps them (docker CLI, cli/config). */

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "../../../ffi/files.ts";
import { homeFolder } from "../../../ffi/host.ts";
import { dirname, join } from "../../../ffi/path.ts";

export interface Credentials {
  username: string;
  password: string;
}

interface ConfigFile {
  auths?: Record<string, { auth?: string; identitytoken?: string }>;
  credHelpers?: Record<string, string>;
  credsStore?: string;
}

/** A credentials file that cannot be used. */
export class CredentialsError extends Error {
  override name = "CredentialsError";
}

const path = () => join(process.env.DOCKER_CONFIG ?? join(homeFolder(), ".docker"), "config.json");
// Docker's registry has a name of its own there.
const keysOf = (domain: string) =>
  domain === "docker.io" ? ["https://index.docker.io/v1/", "docker.io", "index.docker.io"] : [domain, `https://${domain}`, `http://${domain}`];

function readConfig(): ConfigFile {
  const file = path();
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new CredentialsError(`${file} is not JSON`);
  }
}

/** Credentials for a registry, if there are any. */
export function findCredentials(domain: string): Credentials | undefined {
  const config = readConfig();
  const helper = config.credHelpers?.[domain] ?? config.credsStore;
  if (helper !== undefined) {
    const found = askHelper(helper, keysOf(domain)[0] ?? domain);
    if (found) return found;
  }
  for (const key of keysOf(domain)) {
    const auth = config.auths?.[key]?.auth;
    if (!auth) continue;
    const text = Buffer.from(auth, "base64").toString();
    const colon = text.indexOf(":");
    if (colon > 0) return { username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  return undefined;
}

function askHelper(name: string, server: string): Credentials | undefined {
  try {
    const { Username, Secret } = JSON.parse(callHelper(name, "get", server) ?? "null");
    return typeof Username === "string" && typeof Secret === "string" ? { username: Username, password: Secret } : undefined;
  } catch {
    return undefined; // nothing there, or nothing we understand
  }
}

// docker-credential-NAME get, store or erase, its input on standard input (docker/docker-credential-helpers); undefined where it failed.
function callHelper(name: string, action: "get" | "store" | "erase", input: string): string | undefined {
  if (!/^[\w.-]+$/.test(name)) throw new CredentialsError(`invalid credential helper ${JSON.stringify(name)} in ${path()}`);
  try {
    const { stdout, exitCode } = Bun.spawnSync([`docker-credential-${name}`, action], { env: process.env, stdin: Buffer.from(input) });
    return exitCode === 0 ? stdout.toString() : undefined;
  } catch {
    return undefined; // not installed
  }
}

/** Keeps credentials, or forgets them; readable by their owner only. Gives whether there was anything to forget. */
export function storeCredentials(domain: string, credentials: Credentials | undefined): boolean {
  const config = readConfig();
  const auths = { ...config.auths };
  const had = keysOf(domain).some((key) => key in auths);
  for (const key of keysOf(domain)) delete auths[key];
  const server = keysOf(domain)[0] ?? domain;
  const helper = config.credHelpers?.[domain] ?? config.credsStore;
  if (helper !== undefined) {
    const { username, password } = credentials ?? {};
    const done = credentials
      ? callHelper(helper, "store", JSON.stringify({ ServerURL: server, Username: username, Secret: password }))
      : callHelper(helper, "erase", server);
    if (credentials && done === undefined) throw new CredentialsError(`docker-credential-${helper} of ${path()} could not store the credentials`);
    // As docker does: the server is named, its password is elsewhere.
    if (credentials) auths[server] = {};
  } else if (credentials) auths[server] = { auth: Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64") };
  const file = path();
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...config, auths }, null, "\t")}\n`, { mode: 0o600 });
  chmodSync(`${file}.new`, 0o600);
  renameSync(`${file}.new`, file);
  return had;
}
