/** What docker calls a container's state, and its image. */
import { familiarName } from "../image/reference.ts";
import { type ContainerRecord, isRestarting } from "../store/containers.ts";

/** Docker's name for what a container is doing. */
export function containerState(record: ContainerRecord): "created" | "running" | "paused" | "restarting" | "exited" | "removing" {
  if (isRestarting(record)) return "restarting";
  return record.status === "starting" ? "created" : record.status;
}

/** An image's name as docker shows it beside a container: `latest` is left out. */
export function shownImage(record: ContainerRecord): string {
  const { image } = record.config;
  if (/^(sha256:)?[0-9a-f]{64}$/.test(image)) return image.replace("sha256:", "").slice(0, 12);
  if (!image.startsWith("docker.io/")) return image;
  const { repository, tag } = familiarName(image);
  return tag === "latest" ? repository : `${repository}:${tag}`;
}
