/** `export` and `commit`: a container's files as a tar, or as an image's new layer. */
import * as fd from "../../ffi/fd.ts";
import { applyChanges } from "../image/changes.ts";
import { ownPlatform } from "../image/media-types.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { TarWriter } from "../image/tar-writer.ts";
import { writeTree } from "../image/tree.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import { BlobWriter } from "../store/blob-writer.ts";
import { type ContainerRecord, claimFreeze, endFreeze } from "../store/containers.ts";
import { addContainerEvent } from "../store/events.ts";
import { FileDigester } from "../store/file-digester.ts";
import { getImage, type ImageConfig, type ImageRecord, withLease } from "../store/images.ts";
import { containerCgroup } from "../store/layout.ts";
import { ownersOf } from "./container-layer.ts";
import { withContainerRoot } from "./container-root.ts";
import { writeContainerLayer } from "./copied-layer.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { knownLayer } from "./load-images.ts";
import { placesAndWays } from "./mount-places.ts";
import { resolveContainer } from "./resolve-container.ts";
import { commitImage, discardStaged, type StagedLayer, stageFile } from "./stage-image.ts";

/** Writes a container's files, its mounts left out, as a tar. */
export function exportContainer(engine: Engine, text: string, write: (bytes: Uint8Array) => void): void {
  const record = resolveContainer(engine, text);
  withContainerRoot(engine, record, (root) => {
    const writer = new TarWriter(write);
    writeTree(writer, root, { whiteouts: false, exclude: new Set(), owners: ownersOf(engine, record) });
    writer.close();
  });
  addContainerEvent(engine.db, record.id, "export");
}

export interface CommitOptions {
  name: string | undefined;
  author: string;
  message: string;
  changes: string[];
  /** Whether the container stands still meanwhile. */
  pause: boolean;
}

/** Makes an image of a container's image and what the container wrote. Gives its id. */
export async function commitContainer(engine: Engine, text: string, options: CommitOptions): Promise<string> {
  const record = resolveContainer(engine, text);
  const base = record.imageId === undefined ? undefined : getImage(engine.db, record.imageId);
  if (!base) throw new EngineError(`container ${text} was made from a folder, not from an image, and cannot be committed`);
  const name = options.name === undefined ? undefined : formatReference(parseReference(options.name));
  const config = applyChanges(configOf(record, base.config), options.changes);

  return await withLease(engine.db, base.layers, () => commitLeased(engine, record, base, { ...options, name, config, reference: options.name }));
}

/** Makes an image of a container's image and what the container wrote, with a configuration that does not come from the container. Gives its id. */
export async function commitStep(
  engine: Engine,
  record: ContainerRecord,
  base: ImageRecord,
  step: { config: NonNullable<ImageConfig["config"]>; createdBy: string; author: string },
): Promise<string> {
  const plan = { ...step, name: undefined, reference: undefined, message: "", changes: [], pause: false };
  return await withLease(engine.db, base.layers, () => commitLeased(engine, record, base, plan));
}

type CommitPlan = CommitOptions & {
  reference: string | undefined;
  config: NonNullable<ImageConfig["config"]>;
  /** For the history; the container's command where undefined. */
  createdBy?: string;
};

async function commitLeased(engine: Engine, record: ContainerRecord, base: ImageRecord, options: CommitPlan): Promise<string> {
  const { name, config } = options;
  const own = options.pause && record.status === "running" ? openCgroup(containerCgroup(record)) : undefined;
  const hasOwn = own !== undefined && own.paths.length > 0; // an ordinary user's container has none to stand still in
  // Where another command made it stand still, it does already.
  const cgroup = hasOwn && claimFreeze(engine.db, record.id) ? own : undefined;
  const writer = new BlobWriter(engine.layout);
  writer.leaveHashing(); // until it is staged
  const staged: StagedLayer[] = [];
  try {
    cgroup?.freeze(true);
    try {
      writeLayer(engine, record, writer);
    } finally {
      cgroup?.freeze(false);
      if (cgroup) endFreeze(engine.db, record.id);
    }
    writer.close();
    for (const diffId of base.layers) {
      const known = knownLayer(engine, diffId);
      if (!known) throw new EngineError(`layer ${diffId} of the container's image has no content in the store`);
      staged.push(known);
    }
    staged.push(await stageWritten(engine, writer, staged));
    const created = new Date().toISOString();
    const image: ImageConfig = {
      ...base.config,
      ...(base.config.architecture ? {} : ownPlatform()),
      created,
      ...(options.author && { author: options.author }),
      config,
      rootfs: { type: "layers", diff_ids: staged.map((layer) => layer.diffId) },
      history: [
        ...(base.config.history ?? []),
        {
          created,
          created_by: options.createdBy ?? [...record.config.entrypoint, ...record.config.cmd].join(" "),
          ...(options.author && { author: options.author }),
          ...(options.message && { comment: options.message }),
        },
      ],
    };
    const imageID = commitImage(engine, { config: JSON.stringify(image), layers: staged, names: name === undefined ? [] : [name], digests: [] });
    addContainerEvent(engine.db, record.id, "commit", { comment: options.message, imageID, imageRef: options.reference ?? "" });
    return imageID;
  } finally {
    writer.abandon();
    discardStaged(staged);
  }
}

function writeLayer(engine: Engine, record: ContainerRecord, writer: BlobWriter): void {
  const tar = new TarWriter((bytes) => writer.write(bytes));
  writeContainerLayer(engine, record, tar, placesAndWays(engine, record));
  tar.close();
}

function configOf(record: ContainerRecord, base: ImageConfig): NonNullable<ImageConfig["config"]> {
  const { config } = record;
  return {
    ...base.config,
    User: config.user,
    Env: config.env,
    Cmd: config.cmd,
    Entrypoint: config.entrypoint,
    WorkingDir: config.workingDir === "/" ? "" : config.workingDir,
    Labels: config.labels,
    StopSignal: config.stopSignal,
  };
}

// The layer as it was written is the blob already.
async function stageWritten(engine: Engine, writer: BlobWriter, below: StagedLayer[]): Promise<StagedLayer> {
  using digester = new FileDigester();
  using file = fd.openat(fd.AT_FDCWD, writer.path, fd.O_RDONLY);
  return await stageFile(engine, { fd: file.fd, offset: 0, size: writer.size }, digester, { lowers: below.toReversed(), blob: writer.path });
}
