/** Terminals for tests: tmux with a shell in it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./engine.ts";

/** A terminal of a test's own, that a test types into and reads from. */
export class Terminal implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "berth-tmux-"));
  readonly #socket = join(this.#folder, "socket");

  constructor(env: Record<string, string>) {
    const shell = Bun.spawnSync(
      ["tmux", "-S", this.#socket, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "env PS1='host> ' sh"],
      {
        env: { ...env, TERM: "xterm", LANG: "C.UTF-8" },
      },
    );
    if (shell.exitCode !== 0) throw new Error(`tmux: ${shell.stderr}`);
  }

  #tmux(...args: string[]): string {
    return Bun.spawnSync(["tmux", "-S", this.#socket, ...args]).stdout.toString();
  }

  /** Types a line, and Enter. */
  type(line: string): void {
    this.line(line);
    this.#tmux("send-keys", "Enter");
  }

  /** Types without Enter. */
  line(text: string): void {
    this.#tmux("send-keys", "-l", text);
  }

  key(name: string): void {
    this.#tmux("send-keys", name);
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  screen(): string {
    return this.#tmux("capture-pane", "-p", "-S", "-200");
  }

  async shows(pattern: RegExp): Promise<void> {
    await until(`the terminal shows ${pattern}`, () => pattern.test(this.screen())).catch((error) => {
      throw new Error(`${error.message}:\n${this.screen()}`);
    });
  }

  /** Once the shell waits: its last prompt, and nothing behind it; the first one may stand below what was typed before it was there. */
  async prompts(): Promise<void> {
    await this.shows(/host>\s*$/);
  }

  [Symbol.dispose](): void {
    this.#tmux("kill-server");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
