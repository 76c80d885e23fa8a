/** What init and whoever started it are to each other. */
import type * as fd from "../../../ffi/fd.ts";
import * as ns from "../../../ffi/namespace.ts";
import type { CgroupFiles, InitReport } from "../channel.ts";
import type { NamespaceType } from "../spec.ts";

/** CLONE_NEW* */
export const CLONE_FLAGS: Record<NamespaceType, number> = {
  pid: ns.CLONE_NEWPID,
  network: ns.CLONE_NEWNET,
  mount: ns.CLONE_NEWNS,
  ipc: ns.CLONE_NEWIPC,
  uts: ns.CLONE_NEWUTS,
  cgroup: ns.CLONE_NEWCGROUP,
  time: ns.CLONE_NEWTIME,
  user: ns.CLONE_NEWUSER,
};

/** Whoever started init. */
export interface InitParent {
  /**
   * Tells how far init is. Waits where the stage says so; gives the descriptors that come with the word to go on.
   *
   * @param meanwhile what is done while the parent does its part
   */
  report(report: InitReport, fds?: number[], meanwhile?: Meanwhile): fd.OwnedFd[];
  /** Init's end of the socket between them. */
  readonly channel: number;
}

/** One system call, and how it failed if it did. */
export interface Meanwhile {
  call: () => void;
  failure?: unknown;
}

/** What is left to do once all is set up. */
export interface LastSteps {
  /** Gives up what was needed until then. */
  prepare(): void;
  /** Becomes the command, by calls whose results nobody needs to know: a stub makes them alone. Returns only there. */
  become(): void;
}

/** Whether init waits for {@link GoOn} where it has told this. */
export const waitsForGo = ({ stage }: InitReport): boolean => stage === "namespaces" || stage === "mounted";

/**
 * Builds a container, or joins one, up to the last steps before the command.
 *
 * @param passed descriptors that came with the request
 * @param made namespaces that init is in by now
 * @throws {RuntimeFailure}
 */
export type Builder<Request> = (
  parent: InitParent,
  request: Request & CgroupFiles,
  passed: fd.OwnedFd[],
  made: readonly NamespaceType[],
) => LastSteps;
