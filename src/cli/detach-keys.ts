/** The keys that take a user away from a container without ending it, as docker writes them: `ctrl-p,ctrl-q`. */
import { clientSetting, configPath } from "./client-config.ts";
import { ValueError } from "./errors.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/** Bytes of a sequence. Throws {@link ValueError}. */
export function parseDetachKeys(text: string): Buffer {
  return Buffer.from(
    text.split(",").map((key) => {
      if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
      const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
      if (control === undefined) throw new ValueError("expected keys with commas between them, each a character or ctrl- and one of a-z@[\\]^_");
      return control.toUpperCase().charCodeAt(0) - 0x40;
    }),
  );
}

/** What the user's docker configuration says, else docker's own keys. Throws {@link ValueError} where it says nonsense. */
export function defaultDetachKeys(): Buffer {
  const configured = clientSetting("detachKeys");
  if (configured === undefined) return parseDetachKeys(DEFAULT_KEYS);
  try {
    return parseDetachKeys(configured);
  } catch (error) {
    throw new ValueError(`detachKeys ${JSON.stringify(configured)} in ${configPath()}: ${(error as Error).message}`);
  }
}

/** Finds the sequence in what is typed; its beginning is held back until it is clear what it becomes. */
export class DetachKeys {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** What of a piece of input is for the container; nothing more once `detached`. */
  take(chunk: Uint8Array): { bytes: Buffer; detached: boolean } {
    const bytes: number[] = [];
    for (const byte of chunk) {
      if (byte !== this.#keys[this.#matched]) {
        bytes.push(...this.#keys.subarray(0, this.#matched));
        this.#matched = 0;
      }
      if (byte !== this.#keys[this.#matched]) bytes.push(byte);
      else if (++this.#matched === this.#keys.length) return { bytes: Buffer.from(bytes), detached: true };
    }
    return { bytes: Buffer.from(bytes), detached: false };
  }
}
