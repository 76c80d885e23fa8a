/** What the steps of a build share: where a stage has got to, and what a step may ask of its build. */
import { keepingMounts } from "../../../ffi/namespace.ts";
import { join } from "../../../ffi/path.ts";
import type { Instruction } from "../../image/dockerfile.ts";
import type { IgnoreFile } from "../../image/dockerignore.ts";
import type { Configured } from "../../image/instructions.ts";
import { BUILD_LABEL, type ContainerMount } from "../../store/container-config.ts";
import type { ContainerRecord } from "../../store/containers.ts";
import type { ImageConfig, ImageRecord } from "../../store/images.ts";
import { currentProcess } from "../../store/process-identity.ts";
import { type ContainerFiles, openContainerFiles } from "../container-root.ts";
import { type ContainerOptions, createContainer } from "../create-container.ts";
import type { Engine } from "../engine.ts";
import { NotFound } from "../errors.ts";
import { removeContainer } from "../remove-container.ts";
import { resolveImage } from "../resolve-image.ts";

/** What a `RUN` needs beyond its command. */
export interface RunRequest {
  image: string;
  command: string[];
  /** `NAME=VALUE` each. */
  env: string[];
  labels: Record<string, string>;
  mounts: ContainerMount[];
  /** `none` or `host`, where the instruction asks for it. */
  network: string | undefined;
}

/** What a name of `--build-context` means. */
export type NamedContext = { type: "folder"; path: string; ignore: IgnoreFile | undefined } | { type: "image"; reference: string };

export interface BuildOptions {
  instructions: Instruction[];
  /** Folder on the host; undefined where the build has none. */
  context: string | undefined;
  ignore: IgnoreFile | undefined;
  args: Record<string, string>;
  labels: Record<string, string>;
  /** Name or number of the stage to stop after. */
  target: string | undefined;
  useCache: boolean;
  platform: string | undefined;
  /** Files of `--secret`, by id. */
  secrets: Record<string, string>;
  /** What `--from` and `FROM` may name besides stages and images. */
  contexts: Record<string, NamedContext>;
  /** Sockets of ssh-agents (`--ssh`), by id. */
  agents: Record<string, string>;
  /** Names for the image, in full. */
  names: string[];
  /** What the flags of the build mean for a `RUN`. */
  containerOptions(request: RunRequest): ContainerOptions;
  /** Makes sure that an image is there. */
  fetch(reference: string, platform: string | undefined): Promise<void>;
  say(line: string): void;
  /** What commands of `RUN` print. */
  output(bytes: Uint8Array): undefined;
}

/** Given to commands without being declared, and left out of what steps are recognised by (docker's "predefined ARGs"). */
export const PROXY_ARGS = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]);

/** Of this process's build; whoever makes it removes it. */
export const temporaryFolder = ({ layout }: Engine): string => join(layout.data, "build-tmp", String(process.pid));

/** Where a stage has got to. */
export interface State {
  /** Undefined before the first step of `FROM scratch`. */
  image: ImageRecord | undefined;
  config: ImageConfig;
  /** Digest of all that went into it. */
  key: string;
  /** Declared so far, with their values. */
  args: Map<string, string | undefined>;
}

/** A build, as its steps see it. */
export interface BuildOfSteps {
  readonly engine: Engine;
  readonly options: BuildOptions;
  /** Where a stage ended; undefined where none of the stages before has that name or number. */
  stage(text: string): State | undefined;
  /** What another build made of the same, else what is made now. `part` is what the step is recognised by. */
  take(state: State, part: string, make: () => Promise<string>): Promise<void>;
  /** Makes an image of a step that changes no files. */
  commitConfig(state: State, configured: Configured): string;
  /** An image of nothing, for the first files of FROM scratch. */
  emptyImage(): ImageRecord;
}

export const buildLabels = (): Record<string, string> => ({ [BUILD_LABEL]: JSON.stringify(currentProcess()) });

/** The image that `--from` names, a stage's or any other. */
export async function imageOf(build: BuildOfSteps, text: string): Promise<ImageRecord> {
  const done = build.stage(text);
  if (done && !done.image) throw new NotFound(`stage ${text} has no files`);
  if (done?.image) return done.image;
  const named = build.options.contexts[text];
  const reference = named?.type === "image" ? named.reference : text;
  await build.options.fetch(reference, build.options.platform);
  return resolveImage(build.engine, reference).image;
}

/** Calls back with a container that files are put into, or read from, and that never runs. */
export async function withContainer<T>(
  { engine, options }: Pick<BuildOfSteps, "engine" | "options">,
  image: ImageRecord,
  action: (record: ContainerRecord) => Promise<T>,
): Promise<T> {
  const request = { image: image.id, command: ["-"], env: [], labels: buildLabels(), mounts: [], network: "none" };
  const record = createContainer(engine, options.containerOptions(request), true, () => {});
  try {
    return await action(record);
  } finally {
    removeContainer(engine, record.id, { force: true, volumes: true });
  }
}

/** Calls back with an image's files, mounted where nobody else sees them; what is written there goes with them. */
export const withFiles = <T>(
  build: BuildOfSteps,
  image: ImageRecord,
  action: (files: ContainerFiles) => T | Promise<T>,
  mountPoint?: string,
): Promise<T> =>
  withContainer(build, image, (record) =>
    keepingMounts(async () => {
      using files = openContainerFiles(build.engine, record, mountPoint);
      return await action(files);
    }),
  );
