/** Dockerfile instructions for an image that is made without a Dockerfile: `commit -c`, `import -c`. */
import { DockerfileError, parseInstruction } from "./dockerfile.ts";
import { checkFlags, configure, type RunConfig } from "./instructions.ts";

const ALLOWED = ["CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"];

/** An instruction that cannot be applied. */
export class ChangeError extends Error {
  override name = "ChangeError";
}

/** A configuration after some instructions, e.g. `CMD ["sh"]`. Throws {@link ChangeError}. */
export function applyChanges(config: RunConfig, changes: string[]): RunConfig {
  let ownsCommand = false;
  return changes.reduce((before, change) => {
    const [word = "", ...rest] = change.trim().split(/\s+/);
    const name = word.toUpperCase();
    if (rest.length === 0) throw new ChangeError(`invalid change ${JSON.stringify(change)}: expected an instruction and its value`);
    if (!ALLOWED.includes(name)) throw new ChangeError(`${word} is not a valid change command: expected ${ALLOWED.join(", ")}`);
    const lookup = (wanted: string) => before.Env?.find((text) => text.startsWith(`${wanted}=`))?.slice(wanted.length + 1);
    try {
      const instruction = parseInstruction(change.trim(), 1);
      checkFlags(instruction);
      return configure(before, instruction, lookup, ownsCommand)?.config ?? before;
    } catch (error) {
      if (!(error instanceof DockerfileError)) throw error;
      throw new ChangeError(`invalid change ${JSON.stringify(change)}: ${error.message.replace("line 1: ", "")}`);
    } finally {
      ownsCommand ||= name === "CMD";
    }
  }, config);
}
