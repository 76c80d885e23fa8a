import { resolveContainer } from "../../engine/resolve-container.ts";
import { portsOf } from "../../store/networks.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { shownAddress } from "../format/ports.ts";

export default defineCommand({
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  flags: {},
  args: { min: 1, max: 2 },
  async run({ engine }, _flags, [name = "", wanted]) {
    const ports = portsOf(engine.db, resolveContainer(engine, name).id);
    if (wanted === undefined) {
      for (const port of ports) console.log(`${port.containerPort}/${port.protocol} -> ${shownAddress(port.hostIp)}:${port.hostPort}`);
      return;
    }
    const [number, protocol = "tcp"] = wanted.split("/");
    const found = ports.filter((port) => String(port.containerPort) === number && port.protocol === protocol);
    if (found.length === 0) throw new CommandFailure(`No public port '${number}/${protocol}' published for ${name}`, 1);
    for (const port of found) console.log(`${shownAddress(port.hostIp)}:${port.hostPort}`);
  },
});
