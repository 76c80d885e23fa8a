/** What a monitor does, once. */
import { socketPair } from "../../ffi/socket.ts";
import { flagValues, parseArguments } from "../cli/arguments.ts";
import { CONTAINER_FLAGS, containerOptions } from "../cli/container-flags.ts";
import { createContainer } from "../engine/create-container.ts";
import { startRequest } from "../engine/start-container.ts";
import { Monitor } from "../monitor/monitor.ts";
import { loadNetwork, loadRehearsal } from "../monitor/prepare-ahead.ts";
import { startEarly } from "../runtime/spawn/here.ts";
import { followToTheEnd } from "../runtime/stdio.ts";
import { IMAGE, inOwnWorld } from "./warm.ts";

export { warmUp as tryOnce };

/** Starts a container with the default network, and sees it end. */
export function warmUp(folder: string): Promise<void> {
  return inOwnWorld(folder, async (engine) => {
    const { flags, args } = parseArguments(CONTAINER_FLAGS, ["--rm", IMAGE], true);
    const record = createContainer(engine, containerOptions(flagValues(CONTAINER_FLAGS, flags) as never, args), false, () => {});
    await loadNetwork();
    (await loadRehearsal()).rehearseLife(engine.db);
    startEarly();
    followToTheEnd();
    const [ours, theirs] = socketPair();
    await new Monitor(startRequest(engine, record, { attach: true }), theirs, engine.db).run();
    ours.close();
  });
}
