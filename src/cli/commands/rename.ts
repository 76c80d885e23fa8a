import { renameContainer } from "../../engine/rename-container.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  usage: "CONTAINER NEW_NAME",
  flags: {},
  args: { min: 2, max: 2 },
  run: async ({ engine }, _flags, [name = "", newName = ""]) => renameContainer(engine, name, newName),
});
