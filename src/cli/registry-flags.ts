/** Flags of commands that talk to registries. */
import type { ConnectionOptions } from "../image/registry/connection.ts";
import type { Flags, FlagValues } from "./command.ts";

export const REGISTRY_FLAGS = {
  "cert-dir": {
    type: "string",
    value: "DIR",
    help: "Certificates for the registry: *.crt to trust, *.cert and *.key to show (instead of certs.d/HOST)",
  },
  "tls-verify": { type: "boolean", on: true, help: "Check certificates, and use TLS (on; --tls-verify=false switches it off)" },
} satisfies Flags;

/** What DOCKER_CONTENT_TRUST was for. */
export const TRUST_FLAG = {
  "disable-content-trust": {
    type: "boolean",
    on: true,
    help: "Skip image verification",
    hidden: true,
    refused: "cannot be switched off: signatures of Notary are not checked",
    differs: "is on and stays on: no signatures of Notary",
  },
} satisfies Flags;

/** What these flags mean to a connection. */
export function connectionOptions(flags: FlagValues<typeof REGISTRY_FLAGS>): ConnectionOptions {
  return { tlsVerify: flags["tls-verify"], certDir: flags["cert-dir"] };
}
