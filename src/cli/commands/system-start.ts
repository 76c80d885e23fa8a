import { startAll } from "../../engine/start-all.ts";
import { defineCommand } from "../command.ts";
import { warn } from "../warn.ts";

export default defineCommand({
  names: ["system start"],
  summary: "Start what should run by its restart policy, after the machine was restarted",
  usage: "",
  flags: {},
  args: { min: 0, max: 0 },
  run: async ({ engine }) => startAll(engine, (name) => console.log(name), warn),
});
