/** The namespaces that a process is started in, those that must be there before it. */
import { readlinkSync } from "../../../ffi/files.ts";
import type { PidNamespace } from "../../../ffi/stub.ts";
import type { Request } from "../spawn.ts";

/** Whether it is to be in another user namespace than this process. */
export function hasOtherUserNamespace(request: Request): boolean {
  if (request.type === "create") return request.spec.linux.namespaces.some(({ type }) => type === "user");
  return readlinkSync(`/proc/${request.pid}/ns/user`) !== readlinkSync("/proc/self/ns/user");
}

export function pidNamespaceOf(request: Request): PidNamespace {
  if (request.type === "exec") return { path: `/proc/${request.pid}/ns/pid` };
  const { namespaces } = request.spec.linux;
  const namespace = namespaces.find((n) => n.type === "pid");
  // A new user namespace comes first, see there.ts.
  if (namespace && namespace.path === undefined && namespaces.some((n) => n.type === "user")) return undefined;
  return namespace && (namespace.path === undefined ? "new" : { path: namespace.path });
}
