/** Flags of commands that talk to registries. */
import type { Flags } from "./command.ts";

export const REGISTRY_FLAGS = {
  "tls-verify": { type: "boolean", on: true, help: "Check certificates, and use TLS (on; --tls-verify=false switches it off)" },
} satisfies Flags;
