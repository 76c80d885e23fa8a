import { describe, expect, test } from "bun:test";
import { Variables } from "../../src/snapshot/variables.ts";

const environment = () => new Proxy<Record<string, string>>({ SET: "1" }, new Variables("A=1\0B=x=y\0A=2\0EMPTY=\0NAMELESS\0=C:\0"));

describe("an environment of which little is asked for", () => {
  test("has what was given, the last one of a name, and what was set", () => {
    const env = environment();
    expect([env.A, env.B, env.EMPTY, env.SET, env.NAMELESS, env.NONE]).toEqual(["2", "x=y", "", "1", undefined, undefined]);
    expect(["A" in env, "NONE" in env]).toEqual([true, false]);
    env.B = "new";
    expect(env.B).toBe("new");
    expect({ ...env }).toEqual({ A: "2", B: "new", EMPTY: "", SET: "1" });
    expect(Object.keys(env).length).toBe(4);
  });

  test("forgets what is deleted, and nothing else", () => {
    const env = environment();
    delete env.SET;
    delete env.A;
    expect([env.SET, env.A, env.B]).toEqual([undefined, undefined, "x=y"]);
    expect({ ...env }).toEqual({ B: "x=y", EMPTY: "" });
  });

  test("is whole for a process that is started with it", () => {
    const { stdout } = Bun.spawnSync(["/usr/bin/env"], { env: environment() });
    expect(stdout.toString().trim().split("\n").sort()).toEqual(["A=2", "B=x=y", "EMPTY=", "SET=1"]);
  });
});
