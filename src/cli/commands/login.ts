import { readSync } from "../../../ffi/files.ts";
import { hideInput, isTerminal } from "../../../ffi/tty.ts";
import { Registry } from "../../image/registry/client.ts";
import { storeCredentials } from "../../image/registry/credentials.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { connectionOptions, REGISTRY_FLAGS } from "../registry-flags.ts";
import { printBlocking } from "../streams.ts";

export default defineCommand({
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
    const interactive = isTerminal(0) && !flags["password-stdin"];
    const username = flags.username ?? (interactive ? ask("Username: ") : undefined);
    if (!username) throw new CommandFailure("a username is needed: --username", 1);
    if (flags["password-stdin"] && isTerminal(0))
      throw new CommandFailure("--password-stdin needs a password on standard input, but that is a terminal", 1);
    const given = flags.password ?? (interactive ? ask("Password: ", true) : undefined);
    const password = flags["password-stdin"] ? (await Bun.stdin.text()).replace(/\r?\n$/, "") : given;
    if (!password) throw new CommandFailure("a password is needed: --password-stdin", 1);
    const credentials = { username, password };
    await new Registry(domain, "", { ...connectionOptions(flags), credentials }).login();
    storeCredentials(domain, credentials);
    console.log("Login Succeeded");
  },
});

// A line from the terminal; a secret one is not shown.
function ask(question: string, isSecret = false): string {
  printBlocking(question, 2);
  const restore = isSecret ? hideInput(0) : undefined;
  try {
    const line: number[] = [];
    const byte = Buffer.alloc(1);
    while (readSync(0, byte) === 1 && byte[0] !== 10) line.push(byte[0] as number);
    return Buffer.from(line).toString();
  } finally {
    restore?.();
    if (isSecret) printBlocking("\n", 2);
  }
}
