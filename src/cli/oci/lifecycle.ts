/** `start`, `kill`, `delete`, `pause`, `resume`. */
import { signalNumber } from "../../../ffi/signal.ts";
import { deleteContainer, freezeContainer, killContainer, startContainer } from "../../runtime/container/verbs.ts";
import { UsageError } from "../errors.ts";
import { defineRuntimeCommand } from "./command.ts";

export const start = defineRuntimeCommand({
  summary: "Start the command of a created container",
  usage: "ID",
  flags: {},
  args: { min: 1, max: 1 },
  run: ({ root, warn }, _flags, [id = ""]) => startContainer(root, id, warn),
});

export const kill = defineRuntimeCommand({
  summary: "Send a signal to a container's first process",
  usage: "[OPTIONS] ID [SIGNAL]",
  flags: { all: { short: "a", type: "boolean", help: "Send it to all processes of the container" } },
  args: { min: 1, max: 2 },
  run({ root }, flags, [id = "", signal = "SIGTERM"]) {
    const number = signalNumber(signal);
    if (number === undefined) throw new UsageError(`unknown signal ${JSON.stringify(signal)}`, 1);
    killContainer(root, id, number, flags.all);
  },
});

const remove = defineRuntimeCommand({
  summary: "Delete a stopped container",
  usage: "[OPTIONS] ID",
  flags: { force: { short: "f", type: "boolean", help: "Kill it first where it runs; no error where there is none" } },
  args: { min: 1, max: 1 },
  run: ({ root, warn }, flags, [id = ""]) => deleteContainer(root, id, flags.force, warn),
});

export { remove as delete };

export const pause = defineRuntimeCommand({
  summary: "Freeze all processes of a container",
  usage: "ID",
  flags: {},
  args: { min: 1, max: 1 },
  run: ({ root }, _flags, [id = ""]) => freezeContainer(root, id, true),
});

export const resume = defineRuntimeCommand({
  summary: "Let a paused container go on",
  usage: "ID",
  flags: {},
  args: { min: 1, max: 1 },
  run: ({ root }, _flags, [id = ""]) => freezeContainer(root, id, false),
});
