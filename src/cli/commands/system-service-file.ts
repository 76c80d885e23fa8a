import { realpathSync } from "node:fs";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { printBlocking } from "../streams.ts";

const SYSTEMD = (program: string) => `[Unit]
Description=Containers of berth, by their restart policies
After=network-online.target local-fs.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${program} system start
# Each container has a monitor of its own, which outlives this.
KillMode=none
TimeoutStartSec=0

[Install]
WantedBy=multi-user.target
`;

const OPENRC = (program: string) => `#!/sbin/openrc-run
description="Containers of berth, by their restart policies"

depend() {
  need localmount
  use net
  after bootmisc
}

start() {
  ebegin "Starting containers"
  ${program} system start
  eend $?
}
`;

export default defineCommand({
  names: ["system service-file"],
  summary: "Print a service that starts containers by their restart policies when the machine starts",
  usage: "[OPTIONS]",
  flags: { init: { type: "string", value: "systemd|openrc", help: "For which init (default systemd)" } },
  args: { min: 0, max: 0 },
  examples: ["berth system service-file > /etc/systemd/system/berth.service && systemctl enable berth"],
  async run(_context, flags) {
    const program = realpathSync("/proc/self/exe");
    const { init = "systemd" } = flags;
    if (init !== "systemd" && init !== "openrc")
      throw new UsageError(`invalid argument ${JSON.stringify(init)} for "--init" flag: expected systemd or openrc`);
    printBlocking(init === "systemd" ? SYSTEMD(program) : OPENRC(program));
  },
});
