/** What a user types, on its way to a container. */
import { DetachKeys } from "./detach-keys.ts";
import { readInput } from "./streams.ts";

/** How it went on: the exit code, or that the user left. */
export type Outcome = number | "detached";

/** Sends what is typed until its end, and an empty piece as that; resolves where the user leaves. */
export async function relayInput(write: (chunk: Uint8Array) => Promise<unknown> | undefined, detachKeys: Buffer | undefined): Promise<"detached"> {
  const keys = detachKeys && new DetachKeys(detachKeys);
  const detached = Promise.withResolvers<"detached">();
  const never = new Promise<void>(() => {});
  void readInput((chunk) => {
    const taken = keys ? keys.take(chunk) : { bytes: chunk, detached: false };
    const full = taken.bytes.length > 0 ? write(taken.bytes) : undefined;
    if (!taken.detached) return full;
    detached.resolve("detached");
    return never;
  }).then(() => write(new Uint8Array()));
  return detached.promise;
}
