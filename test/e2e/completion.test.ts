/** `completion`: names, flags and their values, as shells show them when somebody presses Tab. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BERTH, TestEngine } from "./engine.ts";
import { Terminal } from "./terminal.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
  symlinkSync(BERTH, join(engine.root, "berth"));
  await engine.ok("tag", "bb", "registry.test:5000/team/app:v1");
  await engine.ok("run", "-d", "--name", "web-1", "--network", "none", "bb", "sleep", "1000");
  await engine.ok("create", "--name", "web-2", "--network", "none", "bb", "true");
  await engine.ok("volume", "create", "data-1");
  for (const shell of ["bash", "zsh", "fish"]) writeFileSync(join(engine.root, `berth.${shell}`), await engine.ok("completion", shell));
});
afterAll(() => engine[Symbol.asyncDispose]());

const SHELLS: Record<string, { start: string; load: (script: string) => string }> = {
  bash: { start: "bash --norc --noprofile -i", load: (script) => `. ${script}` },
  zsh: { start: "zsh -f -i", load: (script) => `autoload -U compinit; compinit -u -D; . ${script}` },
};

describe.each(Object.keys(SHELLS))("%s", (shell) => {
  test("run: image names, flags, their values; commands; containers by what they are to be", async () => {
    const { start, load } = SHELLS[shell] as (typeof SHELLS)[string];
    using terminal = new Terminal({ ...engine.env, PATH: `${engine.root}:${engine.env.PATH}` });
    terminal.type(`PS1='ready> ' ${start}`);
    terminal.type(load(join(engine.root, `berth.${shell}`)));
    terminal.type("PS1='ready> '; cd /; echo lo''aded");
    await terminal.shows(/^loaded/m);
    // What is typed, and how the line reads after Tab.
    for (const [typed, completed] of [
      ["berth contai", "berth container"],
      ["berth run --rm --netw", "berth run --rm --network"],
      ["berth run --rm --network no", "berth run --rm --network none"],
      ["berth run --rm --pull=al", "berth run --rm --pull=always"],
      ["berth run --rm -it registry.test:50", "berth run --rm -it registry.test:5000/team/app:v1"],
      ["berth run --cap-add NET_BI", "berth run --cap-add NET_BIND_SERVICE"],
      ["berth run -v dat", "berth run -v data-1:"],
      ["berth exec we", "berth exec web-1"],
      ["berth start we", "berth start web-2"],
      ["berth volume inspect da", "berth volume inspect data-1"],
    ] as const) {
      terminal.line(typed);
      terminal.key("Tab");
      await terminal.shows(new RegExp(`ready> ${completed.replace(/[.*+?^$()[\]|]/g, "\\$&")}`));
      terminal.key("C-u");
    }
    terminal.line("berth rm web-");
    terminal.key("Tab");
    terminal.key("Tab");
    await terminal.shows(/(^web-1 +web-2)|(^web-[12] .*\n^web-[12] )/m); // in one line, or a line each
    terminal.key("C-u");
  });
});

test("what a shell asks, whatever is typed", async () => {
  const ask = async (...line: string[]) => (await engine.run("__complete", ...line)).stdout.split("\n").map((l) => l.split("\t")[0]);
  expect(await ask("run", "--rm", "bb", "--", "")).toEqual([""]);
  expect(await ask("run", "bb", "-")).toEqual([""]); // it belongs to the command inside
  expect(await ask("nosuch", "")).toEqual([""]);
  expect(await ask("image", "ru")).toEqual([""]);
  expect(await ask("run", "-it", "--name")).toEqual(["--name=", ""]);
  expect(await ask("kill", "-s", "HU")).toEqual(["HUP", ""]);
  expect(await ask("cp", "web")).toEqual(["web-1:", "web-2:", ""].sort((a, b) => (a === "" ? 1 : b === "" ? -1 : b.localeCompare(a))));
  expect(await ask("--ro")).toEqual(["--root=", ""]);
  expect(await ask("completion", "")).toEqual([""]);
  expect(await engine.fails(1, "completion", "csh")).toContain('unknown shell "csh": expected bash, zsh, fish');
});
