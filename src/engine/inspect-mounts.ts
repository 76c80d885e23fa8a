/** A container's mounts, as `inspect` tells them. */
import type { ContainerMount } from "../store/container-config.ts";
import type { Engine } from "./engine.ts";
import { goMap } from "./go-map.ts";

/** What `--mount` said, in docker's shape (`HostConfig.Mounts`). */
export function inspectWantedMount(mount: ContainerMount): Record<string, unknown> {
  const common = { Target: mount.target, ...("readOnly" in mount && mount.readOnly && { ReadOnly: true }) };
  switch (mount.type) {
    case "bind": {
      const bind = {
        ...(mount.propagation !== "" && { Propagation: mount.propagation }),
        ...(!mount.recursive && { NonRecursive: true }),
        ...(mount.readOnlyBelow && { ReadOnlyForceRecursive: true }),
      };
      return { Type: "bind", Source: mount.source, ...common, ...(Object.keys(bind).length > 0 && { BindOptions: bind }) };
    }
    case "volume": {
      const { labels, options, subpath } = mount;
      const volume = {
        ...(mount.noCopy && { NoCopy: true }),
        ...(labels && { Labels: goMap(labels) }),
        ...(subpath && { Subpath: subpath }),
      };
      // Docker's client has it where anything else is there.
      const driver = { DriverConfig: options ? { Options: goMap(options) } : {} };
      const source = mount.anonymous ? {} : { Source: mount.name };
      return {
        Type: "volume",
        ...source,
        ...common,
        ...((Object.keys(volume).length > 0 || options) && { VolumeOptions: { ...volume, ...driver } }),
      };
    }
    case "tmpfs": {
      const optionOf = (name: string) => mount.options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
      const [size, mode] = [optionOf("size"), optionOf("mode")];
      const tmpfs = { ...(size !== undefined && { SizeBytes: Number(size) }), ...(mode !== undefined && { Mode: Number.parseInt(mode, 8) }) };
      const readOnly = mount.options.includes("ro") && { ReadOnly: true };
      return { Type: "tmpfs", ...common, ...readOnly, ...(Object.keys(tmpfs).length > 0 && { TmpfsOptions: tmpfs }) };
    }
  }
}

/** What a container sees, in docker's shape (`Mounts`). */
export function inspectMount(engine: Engine, mount: ContainerMount): Record<string, unknown> {
  const common = { Destination: mount.target, Mode: "" };
  const [, , mode] = mount.given?.split(":") ?? [];
  switch (mount.type) {
    case "bind":
      return {
        Type: "bind",
        Source: mount.source,
        ...common,
        Mode: mode ?? "",
        RW: !mount.readOnly,
        Propagation: mount.propagation || "rprivate",
      };
    case "volume":
      return {
        Type: "volume",
        Name: mount.name,
        Source: engine.layout.volume(mount.name),
        ...common,
        // Docker's word for volumes by name: shared with others, as SELinux would know it.
        Mode: mode ?? (mount.anonymous && !mount.isMount ? "" : "z"),
        Driver: "local",
        RW: !mount.readOnly,
        Propagation: "",
      };
    case "tmpfs":
      return { Type: "tmpfs", Source: "", ...common, RW: !mount.options.includes("ro"), Propagation: "" };
  }
}
