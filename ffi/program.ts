/** Starts programs through a {@link Stub}, which takes less time than Bun's own way, and can be in another PID namespace. */
import type { Child } from "./child.ts";
import type { OwnedFd } from "./fd.ts";
import { chdir, execveDescriptor, setsid } from "./process.ts";
import { unblockSignals } from "./signal.ts";
import { type PidNamespace, Stub } from "./stub.ts";

const SIGKILL = 9;

export interface Program {
  executable: OwnedFd;
  args: string[];
  /** All of its environment. */
  environment: Record<string, string>;
  /** What are to be its descriptors 0, 1, 2 and so on; `theirs` among them. */
  descriptors: number[];
  /** Two ends of a socket: it lives for as long as `ours` is open here, until it is the program. */
  ours: OwnedFd;
  theirs: OwnedFd;
  /** Where it starts; else in `/`. */
  folder?: string;
  pidNamespace?: PidNamespace;
  /** Whether it is to have nothing to do with this process's terminal and process group. */
  newSession?: boolean;
}

/** @throws {SyscallError} where it cannot be started; a program that cannot be executed ends with 1 */
export function startProgram(program: Program): Child {
  const { args, environment, ours, theirs } = program;
  const stub = Stub.start({ channel: theirs.fd, ourEnd: ours.fd, pidNamespace: program.pidNamespace });
  try {
    const { kept } = stub.run(() => {
      chdir(program.folder ?? "/");
      if (program.newSession) setsid();
      return stub.arrange(program.descriptors, program.executable);
    });
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    stub.post(() => {
      unblockSignals();
      execveDescriptor(kept, args, variables);
    });
    return stub.child;
  } catch (error) {
    stub.child.kill(SIGKILL);
    throw error;
  }
}
