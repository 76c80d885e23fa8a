import { realpathSync } from "node:fs";
import { resolve } from "../../../ffi/path.ts";
import { resolveContainer } from "../../engine/resolve-container.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { printBlocking } from "../streams.ts";
import { warn } from "../warn.ts";

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

// In the foreground, so that the service is what the container is: its log goes to the journal, too.
const SYSTEMD_CONTAINER = (program: string, name: string) => `[Unit]
Description=Container ${name}
After=network-online.target local-fs.target
Wants=network-online.target

[Service]
ExecStart=${program} start --attach ${name}
ExecStop=${program} stop ${name}
# berth ends what is in the container; what is beside it is its monitor.
KillMode=process
TimeoutStopSec=infinity
Restart=on-failure
SuccessExitStatus=143

[Install]
WantedBy=multi-user.target
`;

const OPENRC_CONTAINER = (program: string, name: string) => `#!/sbin/openrc-run
description="Container ${name}"
supervisor=supervise-daemon
command=${program}
command_args="start --attach ${name}"

depend() {
  need localmount
  use net
  after bootmisc
}

stop_pre() {
  ${program} stop ${name}
}
`;

export default defineCommand({
  usage: "[OPTIONS] [CONTAINER]",
  flags: { init: { type: "string", value: "systemd|openrc", help: "For which init (default systemd)" } },
  args: { min: 0, max: 1 },
  examples: [
    "berth system service-file web > /etc/systemd/system/web.service",
    "berth system service-file > /etc/systemd/system/berth.service && systemctl enable berth",
  ],
  async run(context, flags, [container]) {
    const program = `${realpathSync("/proc/self/exe")}${context.root === undefined ? "" : ` --root ${resolve(context.root)}`}`;
    const { init = "systemd" } = flags;
    if (init !== "systemd" && init !== "openrc")
      throw new UsageError(`invalid argument ${JSON.stringify(init)} for "--init" flag: expected systemd or openrc`);
    if (container === undefined) printBlocking(init === "systemd" ? SYSTEMD(program) : OPENRC(program));
    else {
      const { name, config } = resolveContainer(context.engine, container);
      if (config.restart && config.restart.name !== "no")
        warn(`container ${name} has a restart policy of its own: 'system start' is for it, a service would restart it a second time`);
      printBlocking((init === "systemd" ? SYSTEMD_CONTAINER : OPENRC_CONTAINER)(program, name));
    }
  },
});
