/** Why a container did not become a process. */

/** What kind of failure it was; the engine turns it into docker's exit code. */
export type FailureKind = "setup" | "not-found" | "not-executable";

/** A step of container setup that failed, in words for a user. */
export class RuntimeFailure extends Error {
  override name = "RuntimeFailure";
  constructor(
    message: string,
    readonly kind: FailureKind = "setup",
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
