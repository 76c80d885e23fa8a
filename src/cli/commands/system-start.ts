import { startAll } from "../../engine/start-all.ts";
import { defineCommand } from "../command.ts";
import { warn } from "../warn.ts";

export default defineCommand({
  usage: "",
  flags: {},
  args: { min: 0, max: 0 },
  run: async ({ engine }) => startAll(engine, (name) => console.log(name), warn),
});
