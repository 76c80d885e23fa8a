import { isTerminal } from "../../../ffi/tty.ts";
import { Registry } from "../../image/registry/client.ts";
import { storeCredentials } from "../../image/registry/credentials.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { connectionOptions, REGISTRY_FLAGS } from "../registry-flags.ts";

export default defineCommand({
  names: ["login"],
  summary: "Authenticate to a registry",
  usage: "[OPTIONS] [SERVER]",
  flags: {
    ...REGISTRY_FLAGS,
    username: { short: "u", type: "string", help: "Username" },
    password: { short: "p", type: "string", help: "Password (visible to others on this machine; better --password-stdin)" },
    "password-stdin": { type: "boolean", help: "Take the password from STDIN" },
  },
  args: { min: 0, max: 1 },
  async run(_context, flags, [server = "docker.io"]) {
    const domain = server.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    if (flags["password-stdin"] && flags.password !== undefined)
      throw new CommandFailure("--password and --password-stdin are mutually exclusive", 1);
    if (flags.username === undefined) throw new CommandFailure("a username is needed: --username", 1);
    if (flags["password-stdin"] && isTerminal(0))
      throw new CommandFailure("--password-stdin needs a password on standard input, but that is a terminal", 1);
    const password = flags["password-stdin"] ? (await Bun.stdin.text()).replace(/\r?\n$/, "") : flags.password;
    if (password === undefined || password === "") throw new CommandFailure("a password is needed: --password-stdin", 1);
    const credentials = { username: flags.username, password };
    await new Registry(domain, "", { ...connectionOptions(flags), credentials }).login();
    storeCredentials(domain, credentials);
    console.log("Login Succeeded");
  },
});
