/** What the engine refuses or fails at, in words for a user. */
import type { FailureKind } from "../runtime/errors.ts";

/** Something cannot be done; the message is docker's where scripts look for it. */
export class EngineError extends Error {
  override name = "EngineError";
}

/** No such container, image or volume. */
export class NotFound extends EngineError {
  override name = "NotFound";
}

/** A container did not start. */
export class StartError extends EngineError {
  override name = "StartError";
  constructor(
    message: string,
    readonly kind: FailureKind,
  ) {
    super(message);
  }
}

/** A command of a build ended with an exit code that is not 0, and so does the build. */
export class StepFailed extends EngineError {
  override name = "StepFailed";
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** Docker's exit code for a container that did not start. */
export function startExitCode(kind: FailureKind): number {
  return kind === "not-found" ? 127 : kind === "not-executable" ? 126 : 125;
}
