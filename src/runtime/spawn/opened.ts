/** What a parent opens for the mounts that its init makes. */
import { AT_FDCWD, O_RDONLY, type OwnedFd, openat } from "../../../ffi/fd.ts";
import type { CreateRequest } from "../channel.ts";
import { openIdMapping } from "../id-mapping.ts";
import { openIdMappedRoot } from "../rootfs/idmapped-root.ts";
import { isBind, openBind } from "../rootfs/mounts.ts";
import { type IdMapping, isIdMapped } from "../spec.ts";

const hostId = (mappings: IdMapping[] = []) => mappings.find(({ containerID }) => containerID === 0)?.hostID ?? 0;

/**
 * In the order in which init asks for them: the root, then for each mount its mapping or, where that is opened here, what it shows.
 *
 * @param opensBinds whether init, in a user namespace, may not open them
 */
export function openForInit({ spec, root, mountPoint }: CreateRequest, pid: number, opensBinds: boolean): OwnedFd[] {
  using own = opensBinds ? openat(AT_FDCWD, `/proc/${pid}/ns/user`, O_RDONLY) : undefined;
  const { uidMappings, gidMappings } = spec.linux;
  const opened = own && root.owners ? [openIdMappedRoot(root, mountPoint, own, { uid: hostId(uidMappings), gid: hostId(gidMappings) })] : [];
  for (const mount of spec.mounts) {
    const isOwn = own && Bun.deepEquals([mount.uidMappings, mount.gidMappings], [uidMappings, gidMappings]);
    const mapping = !isIdMapped(mount) ? undefined : isOwn ? own : openIdMapping(mount.uidMappings ?? [], mount.gidMappings ?? []);
    if (opensBinds && isBind(mount)) {
      opened.push(openBind(mount, mapping));
      if (mapping !== own) mapping?.close();
    } else if (mapping) opened.push(mapping);
  }
  return opened;
}
