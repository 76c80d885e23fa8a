/** Init of one more process in a container: `exec`. */
import * as fd from "../../../ffi/fd.ts";
import { hasCode } from "../../../ffi/libc.ts";
import * as ns from "../../../ffi/namespace.ts";
import { chroot, fchdir, processStartTime, setsid, umask } from "../../../ffi/process.ts";
import { mark } from "../../../ffi/trace.ts";
import type { ExecRequest } from "../channel.ts";
import { RuntimeFailure } from "../errors.ts";
import { joinCgroup, loadTerminal, openCgroupFiles, openProfile, startCommand } from "./command.ts";
import type { Builder } from "./parent.ts";

/** See {@link Builder}. */
export const joinContainer: Builder<ExecRequest> = (parent, request) => {
  umask(0);
  setsid();
  const profile = openProfile(request.process);
  const cgroup = openCgroupFiles(request);
  const { pid } = request;
  const open = (name: string) => fd.openat(fd.AT_FDCWD, `/proc/${pid}/${name}`, fd.O_RDONLY);
  try {
    using root = fd.openat(fd.AT_FDCWD, `/proc/${pid}/root`, fd.O_PATH | fd.O_DIRECTORY);
    const types = { "ns/ipc": ns.CLONE_NEWIPC, "ns/uts": ns.CLONE_NEWUTS, "ns/net": ns.CLONE_NEWNET, "ns/cgroup": ns.CLONE_NEWCGROUP };
    const opened = Object.entries(types).map(([name, type]) => ({ file: open(name), type }));
    using mountNamespace = open("ns/mnt");
    // The number may have been another process's all along, had the first one ended meanwhile.
    if (processStartTime(pid) !== request.startTime) throw new RuntimeFailure("the container is not running");
    for (const { file, type } of opened) {
      ns.setns(file.fd, type);
      file.close();
    }
    ns.enterMountNamespace(mountNamespace.fd);
    mark("namespaces");
    fchdir(root.fd);
    chroot(".");
  } catch (error) {
    if (hasCode(error, "ENOENT", "ESRCH")) throw new RuntimeFailure("the container is not running");
    throw error;
  }
  if (request.process.terminal) {
    using master = loadTerminal().openTerminal(request.process.consoleSize, false);
    parent.report({ stage: "terminal" }, [master.fd]);
  }
  return startCommand(parent, request.process, { ...request, reap: false, makesFolder: false, profile }, () => joinCgroup(cgroup));
};
