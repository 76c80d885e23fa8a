/** Failures that end a command with a certain exit code. */

/** The command line itself is wrong. */
export class UsageError extends Error {
  override name = "UsageError";
  constructor(
    message: string,
    /** Docker's: 125 for flags and their values, 1 for the number of arguments. */
    readonly exitCode = 125,
  ) {
    super(message);
  }
}

/** A value of a flag that means nothing; who parses flags adds the flag's name. */
export class ValueError extends Error {
  override name = "ValueError";
}

/** A failure with an exit code of its own. */
export class CommandFailure extends Error {
  override name = "CommandFailure";
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}
