import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BERTH, TestEngine, until } from "./engine.ts";

/** A terminal of a test's own, that a test types into and reads from. */
class Terminal implements Disposable {
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

  /** Types a line. */
  type(line: string): void {
    this.#tmux("send-keys", "-l", line);
    this.#tmux("send-keys", "Enter");
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

  [Symbol.dispose](): void {
    this.#tmux("kill-server");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

// The end of a line that only a terminal in its usual mode echoes and turns into a new line.
async function isRestored(terminal: Terminal): Promise<void> {
  terminal.type("stty -a | tr ';' '\\n' | grep -c -E ' icanon|  echo |isig' | sed s/^/modes:/");
  await terminal.shows(/^modes:[1-9]/m);
  expect(terminal.screen()).not.toContain("-icanon");
}

describe("a terminal", () => {
  test("run -it: size, job control, Ctrl-C, exit code, and the terminal as it was", async () => {
    using terminal = new Terminal(engine.env);
    terminal.type(`${BERTH} run --rm -it -e PS1='in> ' bb sh`);
    await terminal.shows(/^in>/m);
    terminal.type("tty; stty size");
    await terminal.shows(/^\/dev\/pts\/0\n30 100$/m);
    terminal.resize(70, 20);
    await until("the new size", async () => {
      terminal.type("stty size");
      await Bun.sleep(100);
      return /^20 70$/m.test(terminal.screen());
    });
    terminal.type("sleep 1000");
    await Bun.sleep(200);
    terminal.key("C-c");
    terminal.type("echo code $?");
    await terminal.shows(/^code 130$/m);
    terminal.type("sleep 1000");
    await Bun.sleep(200);
    terminal.key("C-z");
    await terminal.shows(/Stopped/);
    terminal.type("fg");
    await Bun.sleep(200);
    terminal.key("C-c");
    terminal.type("exit 6");
    await terminal.shows(/^host>$/m);
    terminal.type("echo left with $?");
    await terminal.shows(/^left with 6$/m);
    await isRestored(terminal);
    expect(await engine.leftovers()).toEqual([]);
  });

  test("exec -it, beside a container without one", async () => {
    await engine.ok("run", "-d", "--name", "a", "bb", "sleep", "1000");
    using terminal = new Terminal(engine.env);
    terminal.type(`${BERTH} exec -it -e PS1='in> ' a sh`);
    await terminal.shows(/^in>/m);
    terminal.type("tty; stty size; ps");
    await terminal.shows(/30 100/);
    await terminal.shows(/sleep 1000/);
    terminal.type("cat");
    await Bun.sleep(200);
    terminal.key("C-c");
    terminal.type("exit 4");
    await terminal.shows(/^host>$/m);
    terminal.type("echo left with $?");
    await terminal.shows(/^left with 4$/m);
    await isRestored(terminal);
    await engine.ok("rm", "-f", "a");
  });

  test("is put right also where berth or the container is killed", async () => {
    using terminal = new Terminal(engine.env);
    terminal.type(`${BERTH} run --rm --name killed -it -e PS1='in> ' bb sh`);
    await terminal.shows(/^in>/m);
    await engine.ok("kill", "killed");
    await terminal.shows(/host>$/m);
    await isRestored(terminal);
    terminal.type(`${BERTH} run --rm --name hung -it bb sh -c 'trap "exit 5" HUP; echo is up; while :; do sleep 0.1; done'`);
    await terminal.shows(/^is up$/m);
    Bun.spawnSync(["pkill", "-HUP", "-f", `${BERTH} run --rm --name hung`]);
    await terminal.shows(/^host>$/m);
    expect(await engine.leftovers()).toEqual([]);
    await isRestored(terminal);
  });

  test("start -ai gives the terminal back to a container that has one", async () => {
    await engine.ok("create", "-it", "--name", "again", "-e", "PS1=in> ", "bb", "sh");
    using terminal = new Terminal(engine.env);
    terminal.type(`${BERTH} start -ai again`);
    await terminal.shows(/^in>/m);
    terminal.type("stty size; exit 2");
    await terminal.shows(/^30 100$/m);
    await terminal.shows(/^host>$/m);
    terminal.type("echo left with $?");
    await terminal.shows(/^left with 2$/m);
    await engine.ok("rm", "again");
  });

  test("-t without a terminal of ours still gives one inside", async () => {
    expect((await engine.ok("run", "--rm", "-t", "bb", "sh", "-c", "test -t 1 && tty")).trimEnd()).toBe("/dev/pts/0");
    expect(await engine.fails(1, "run", "--rm", "-it", "bb", "sh")).toContain("the input device is not a TTY");
  });
});
