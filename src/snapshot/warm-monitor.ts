/** What a monitor does, once. */
import type { OwnedFd } from "../../ffi/fd.ts";
import { socketPair } from "../../ffi/socket.ts";
import { flagValues, parseArguments } from "../cli/arguments.ts";
import { CONTAINER_FLAGS, containerOptions } from "../cli/container-flags.ts";
import { createContainer } from "../engine/create-container.ts";
import type { Engine } from "../engine/engine.ts";
import { startRequest } from "../engine/start-container.ts";
import { Monitor } from "../monitor/monitor.ts";
import { loadNetwork, loadRehearsal } from "../monitor/prepare-ahead.ts";
import { FrameType, type StartRequest, writeFrame } from "../monitor/protocol.ts";
import { startEarly } from "../runtime/spawn/here.ts";
import { followToTheEnd } from "../runtime/stdio.ts";
import { IMAGE, inOwnWorld } from "./warm.ts";

/** Starts a container with the default network, and sees it end. */
export function warmUp(folder: string): Promise<void> {
  return inOwnWorld(folder, async (engine) => {
    await loadNetwork();
    (await loadRehearsal()).rehearseLife(engine.db);
    const request = requestIn(engine);
    startEarly();
    followToTheEnd();
    const [ours, theirs] = socketPair();
    await new Monitor(request, theirs, engine.db).run();
    ours.close();
  });
}

/** Calls back with a connection on which a monitor is asked for the same. */
export function withRequest<T>(folder: string, action: (connection: OwnedFd) => T): Promise<T> {
  return inOwnWorld(folder, async (engine) => {
    const ends = socketPair();
    using ours = ends[0];
    using theirs = ends[1];
    writeFrame(ours.fd, FrameType.start, requestIn(engine));
    return action(theirs);
  });
}

function requestIn(engine: Engine): StartRequest {
  const { flags, args } = parseArguments(CONTAINER_FLAGS, ["--rm", IMAGE], true);
  const record = createContainer(engine, containerOptions(flagValues(CONTAINER_FLAGS, flags) as never, args), false, () => {});
  return startRequest(engine, record, { attach: true });
}
