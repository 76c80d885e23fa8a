/** `system df` and `ps --size`: what takes room on the disk. */
import { join } from "../../ffi/path.ts";
import { type ContainerRecord, listContainers } from "../store/containers.ts";
import { containersOfImage, getImage, type ImageRecord, layerSize, listBuildCache, listImages } from "../store/images.ts";
import { containersOfVolume, listVolumes, type VolumeRecord } from "../store/volumes.ts";
import type { Engine } from "./engine.ts";
import { folderSize } from "./folder-size.ts";
import { reconcileAll } from "./reconcile.ts";

/** Bytes. */
export interface DiskUsage {
  images: { image: ImageRecord; shared: number; unique: number; containers: number }[];
  /** All layers, each counted once. */
  layers: number;
  /** Those of images that no container uses. */
  reclaimableLayers: number;
  containers: { record: ContainerRecord; size: number; isActive: boolean }[];
  volumes: { volume: VolumeRecord; size: number; links: number }[];
  /** What steps of builds made, and only they have. */
  cache: { count: number; size: number };
}

/** What a container wrote, and what its image holds. */
export function containerSize(engine: Engine, record: ContainerRecord): { own: number; image: number } {
  const folder = engine.layout.container(record.id);
  const image = (record.imageId !== undefined && getImage(engine.db, record.imageId)?.size) || 0;
  return { own: folderSize(join(folder, "upper")), image };
}

/** Looks through everything. */
export function diskUsage(engine: Engine): DiskUsage {
  const { db, layout } = engine;
  reconcileAll(engine);
  const images = listImages(db);
  const users = new Map<string, number>();
  for (const layer of images.flatMap(({ layers }) => layers)) users.set(layer, (users.get(layer) ?? 0) + 1);
  const sizes = new Map([...users.keys()].map((layer) => [layer, layerSize(db, layer)]));
  const sum = (layers: Iterable<string>) => [...layers].reduce((total, layer) => total + (sizes.get(layer) ?? 0), 0);
  const isUsed = (image: ImageRecord) => containersOfImage(db, image.id).length > 0;
  const active = new Set(images.filter(isUsed).flatMap(({ layers }) => layers));
  const layers = sum(sizes.keys());
  const cached = listBuildCache(db);
  const own = new Set(cached.flatMap((image) => image.layers.filter((layer) => !sizes.has(layer))));
  return {
    cache: { count: cached.length, size: [...own].reduce((total, layer) => total + layerSize(db, layer), 0) },
    images: images.map((image) => {
      const shared = sum(image.layers.filter((layer) => (users.get(layer) ?? 0) > 1));
      return { image, shared, unique: sum(image.layers) - shared, containers: containersOfImage(db, image.id).length };
    }),
    layers,
    reclaimableLayers: layers - sum(active),
    containers: listContainers(db).map((record) => ({
      record,
      size: containerSize(engine, record).own,
      isActive: record.status === "running" || record.status === "paused",
    })),
    volumes: listVolumes(db).map((volume) => ({
      volume,
      size: folderSize(layout.volume(volume.name)),
      links: containersOfVolume(db, volume.name).length,
    })),
  };
}
