import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BERTH, TestEngine, until } from "./engine.ts";
import { Terminal } from "./terminal.ts";

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
      await Bun.sleep(500);
      return /^20 70$/m.test(terminal.screen());
    });
    terminal.type("sleep 1000");
    await Bun.sleep(500);
    terminal.key("C-c");
    terminal.type("echo code $?");
    await terminal.shows(/^code 130$/m);
    terminal.type("sleep 1000");
    await Bun.sleep(500);
    terminal.key("C-z");
    await terminal.shows(/Stopped/);
    terminal.type("fg");
    await Bun.sleep(500);
    terminal.key("C-c");
    terminal.type("exit 6");
    await terminal.prompts();
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
    await Bun.sleep(500);
    terminal.key("C-c");
    terminal.type("exit 4");
    await terminal.prompts();
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
    await terminal.prompts();
    await isRestored(terminal);
    terminal.type(`${BERTH} run --rm --name hung -it bb sh -c 'trap "exit 5" HUP; echo is up; while :; do sleep 0.1; done'`);
    await terminal.shows(/^is up$/m);
    Bun.spawnSync(["pkill", "-HUP", "-f", `${BERTH} run --rm --name hung`]);
    await terminal.prompts();
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
    await terminal.prompts();
    terminal.type("echo left with $?");
    await terminal.shows(/^left with 2$/m);
    await engine.ok("rm", "again");
  });

  test("-t without a terminal of ours still gives one inside", async () => {
    expect((await engine.ok("run", "--rm", "-t", "bb", "sh", "-c", "test -t 1 && tty")).trimEnd()).toBe("/dev/pts/0");
    expect(await engine.fails(1, "run", "--rm", "-it", "bb", "sh")).toContain("the input device is not a TTY");
  });
});
