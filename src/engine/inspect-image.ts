/** `inspect` of an image, in the shape of docker's API. */
import { familiarName } from "../image/reference.ts";
import type { ImageRecord } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { goMap } from "./go-map.ts";
import { storageDriver } from "./storage-driver.ts";
import { layerPath } from "./sweep-layers.ts";

/** An image as `docker inspect` shows it. */
export function inspectImage(engine: Engine, image: ImageRecord): Record<string, unknown> {
  const config = image.config.config ?? {};
  const folders = image.layers.map((layer) => layerPath(engine, layer)).reverse();
  return {
    Id: image.id,
    RepoTags: image.names.map((name) => {
      const { repository, tag } = familiarName(name);
      return `${repository}:${tag}`;
    }),
    RepoDigests: image.digests.map((digest) => digest.replace(/^docker\.io\/(library\/)?/, "")),
    Parent: "",
    Comment: image.config.history?.at(-1)?.comment ?? "",
    Created: image.config.created ?? "",
    DockerVersion: "",
    Author: image.config.author ?? "",
    Config: {
      Hostname: "",
      Domainname: "",
      User: config.User ?? "",
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      ...(config.ExposedPorts && { ExposedPorts: goMap(config.ExposedPorts) }),
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: config.Env ?? null,
      Cmd: config.Cmd ?? null,
      Image: "",
      Volumes: config.Volumes ? goMap(config.Volumes) : null,
      WorkingDir: config.WorkingDir ?? "",
      Entrypoint: config.Entrypoint ?? null,
      OnBuild: config.OnBuild ?? null,
      Labels: config.Labels ? goMap(config.Labels) : null,
      ...(config.Healthcheck && { Healthcheck: config.Healthcheck }),
      ...(config.StopSignal && { StopSignal: config.StopSignal }),
      ...(config.Shell && { Shell: config.Shell }),
    },
    Architecture: image.config.architecture,
    Os: image.config.os,
    Size: image.size,
    GraphDriver: { Name: storageDriver(engine), Data: { UpperDir: folders[0] ?? "", LowerDir: folders.slice(1).join(":") } },
    RootFS: { Type: "layers", Layers: image.layers },
    Metadata: { LastTagTime: new Date(image.createdAt).toISOString() },
  };
}
