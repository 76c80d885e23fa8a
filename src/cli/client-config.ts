/** The user's ~/.docker/config.json (docker's "CLI configuration file"), as far as it says how things look. */

import { existsSync, readFileSync } from "../../ffi/files.ts";
import { homeFolder } from "../../ffi/host.ts";
import { join } from "../../ffi/path.ts";

/** Formats of lists, and the keys that leave a container. */
type Key = "detachKeys" | "imagesFormat" | "networksFormat" | "psFormat" | "statsFormat" | "volumesFormat";

export const configPath = (): string => join(process.env.DOCKER_CONFIG ?? join(homeFolder(), ".docker"), "config.json");

/** What the file says; undefined where it says nothing, is not there, or is broken, which is for those to tell who need it. */
export function clientSetting(key: Key): string | undefined {
  if (!existsSync(configPath())) return undefined;
  try {
    const value = (JSON.parse(readFileSync(configPath(), "utf8")) as Partial<Record<Key, unknown>>)[key];
    return typeof value === "string" && value !== "" ? value : undefined;
  } catch {
    return undefined;
  }
}
