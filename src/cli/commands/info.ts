import { systemInfo } from "../../engine/system-info.ts";
import { defineCommand } from "../command.ts";
import { humanSize } from "../format/human.ts";
import { printFormatted } from "../format/output.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: { format: { short: "f", type: "string", help: "Format output using a Go template, or 'json'" } },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const info = systemInfo(engine);
    if (flags.format !== undefined) {
      printFormatted(flags.format, info);
      return;
    }
    const line = (label: string, value: unknown) => ` ${label}: ${value}`;
    console.log(
      [
        "Client:",
        line("Version", info.ServerVersion),
        line("Context", "default"),
        line("Debug Mode", process.env.BERTH_DEBUG !== undefined),
        "",
        "Server:",
        line("Containers", info.Containers),
        line(" Running", info.ContainersRunning),
        line(" Paused", info.ContainersPaused),
        line(" Stopped", info.ContainersStopped),
        line("Images", info.Images),
        line("Server Version", info.ServerVersion),
        line("Storage Driver", info.Driver),
        line("Logging Driver", info.LoggingDriver),
        line("Cgroup Driver", info.CgroupDriver),
        line("Cgroup Version", info.CgroupVersion),
        line("Cgroup Controllers", (info.CgroupControllers as string[]).join(" ")),
        line("Kernel Version", info.KernelVersion),
        line("Operating System", info.OperatingSystem),
        line("OSType", info.OSType),
        line("Architecture", info.Architecture),
        line("CPUs", info.NCPU),
        line("Total Memory", humanSize(info.MemTotal as number)),
        line("Name", info.Name),
        line("Berth Root Dir", info.DockerRootDir),
        line("Berth Run Dir", info.RunRoot),
      ].join("\n"),
    );
  },
});
