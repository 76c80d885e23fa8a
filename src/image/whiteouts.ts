/** How layers say that something of a lower one is gone: AUFS' names in archives (image-spec layer.md), overlay's marks on disk. */
import { inUserNamespace } from "../../ffi/credentials.ts";
import * as fd from "../../ffi/fd.ts";
import { getXattr } from "../../ffi/xattr.ts";

/** Before the name of what is gone. */
export const WHITEOUT = ".wh.";
/** In a folder that hides what is below it. */
export const OPAQUE = ".wh..wh..opq";
/** AUFS' own files, which mean nothing here. */
export const AUFS_META = ".wh..wh.";
const OVERLAY_OPAQUE = ["trusted.overlay.opaque", "user.overlay.opaque"];
/** In a user namespace overlay has its marks where users may set them (its option userxattr, Linux 5.11). */
export const overlayOpaque = () => OVERLAY_OPAQUE[inUserNamespace() ? 1 : 0] as string;

/** Whether an attribute is overlay's own: about its layers, not about the file. */
export function isOverlays(attribute: string): boolean {
  return attribute.startsWith("trusted.overlay.") || attribute.startsWith("user.overlay.");
}

/** Whether a file is overlay's mark of what is gone: a character device 0:0. */
export function isOverlayWhiteout(status: fd.FileStatus): boolean {
  return (status.mode & fd.S_IFMT) === fd.S_IFCHR && status.rdevMajor === 0 && status.rdevMinor === 0;
}

/** Whether a folder hides what is below it. `path` may be of a descriptor's entry under /proc. */
export function isOverlayOpaque(path: string): boolean {
  return OVERLAY_OPAQUE.some((attribute) => getXattr(path, attribute)?.toString() === "y");
}
