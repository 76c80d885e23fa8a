/** Hooks of config.json: programs that are told the container's state on standard input. */
import { RuntimeFailure } from "./errors.ts";
import type { Hook, State } from "./spec.ts";

/**
 * Runs hooks in their order, each to its end.
 *
 * @throws {RuntimeFailure} at the first one that fails or does not end in time
 */
export function runHooks(kind: string, hooks: Hook[], state: State): void {
  hooks.forEach((hook, i) => {
    const failed = (why: string) => new RuntimeFailure(`error running ${kind} hook #${i} (${hook.path}): ${why}`);
    const [argv0 = hook.path, ...args] = hook.args ?? [];
    const env = Object.fromEntries((hook.env ?? []).map((variable) => [variable.split("=", 1)[0] ?? "", variable.slice(variable.indexOf("=") + 1)]));
    let result: ReturnType<typeof Bun.spawnSync>;
    try {
      result = Bun.spawnSync([hook.path, ...args], {
        argv0,
        env: hook.env ? env : {},
        stdin: Buffer.from(JSON.stringify(state)),
        stdout: "pipe",
        stderr: "pipe",
        ...(hook.timeout !== undefined && { timeout: hook.timeout * 1000, killSignal: "SIGKILL" as const }),
      });
    } catch (error) {
      throw failed(error instanceof Error ? error.message : String(error));
    }
    if (result.exitedDueToTimeout) throw failed(`it did not end within ${hook.timeout} seconds`);
    const said = (result.stderr ?? result.stdout)?.toString().trim();
    if (result.exitCode !== 0)
      throw failed(`${result.signalCode ? `signal ${result.signalCode}` : `exit status ${result.exitCode}`}${said ? `: ${said}` : ""}`);
  });
}
