/** The OCI runtime under test: the compiled binary by runc's name, with a folder of states of its own. */
import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "zx";
import { defaultSpec } from "../../src/runtime/container/describe.ts";
import type { Spec } from "../../src/runtime/spec.ts";
import { makeBusyboxRoot } from "../fixtures/busybox.ts";
import { BERTH, type Result } from "./engine.ts";

export type Change = (spec: Spec) => void;

export class TestRuntime {
  folder = "";
  path = "";
  #count = 0;

  constructor() {
    beforeAll(() => {
      this.folder = mkdtempSync(join(tmpdir(), "berth-oci-"));
      this.path = join(this.folder, "runc"); // by the name under which callers know it
      symlinkSync(BERTH, this.path);
      makeBusyboxRoot(join(this.folder, "root"));
      mkdirSync(join(this.folder, "state"));
    });
    afterAll(async () => {
      for (const id of readdirSync(join(this.folder, "state"))) await this.oci("delete", "-f", id);
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  /** A number that was not there before. */
  next(): number {
    return this.#count++;
  }

  /** Where the last command's output went. */
  get lastOutput(): string {
    return join(this.folder, `out-${this.#count - 1}`);
  }

  readonly oci = async (...args: string[]): Promise<Result> => {
    // Into files: a container that was created keeps its streams, and a pipe would wait for it.
    const out = join(this.folder, `out-${this.next()}`);
    const options = { nothrow: true, quiet: true, timeout: "40s" } as const;
    const { exitCode } = await $(options)`${this.path} --root ${join(this.folder, "state")} ${args} >${out} 2>${out}.err </dev/null`;
    return { stdout: readFileSync(out, "utf8"), stderr: readFileSync(`${out}.err`, "utf8"), exitCode: exitCode ?? -1 };
  };

  readonly ok = async (...args: string[]): Promise<string> => {
    const result = await this.oci(...args);
    if (result.exitCode !== 0) throw new Error(`${args.join(" ")}: exit ${result.exitCode}: ${result.stderr}`);
    return result.stdout.trimEnd();
  };

  /** Runs what must fail with one line. */
  readonly fails = async (...args: string[]): Promise<string> => {
    const result = await this.oci(...args);
    expect({ args, exitCode: result.exitCode, lines: result.stderr.trimEnd().split("\n").length }).toEqual({ args, exitCode: 1, lines: 1 });
    return result.stderr.trimEnd();
  };

  /** A bundle with this configuration; gives its folder. */
  readonly bundle = (change: Change = () => {}, args: string[] = ["sleep", "100"]): string => {
    const path = join(this.folder, `bundle-${this.next()}`);
    mkdirSync(path);
    const spec = defaultSpec();
    spec.root = { path: join(this.folder, "root") };
    spec.process.terminal = false;
    spec.process.args = args;
    change(spec);
    writeFileSync(join(path, "config.json"), JSON.stringify(spec));
    return path;
  };

  readonly status = async (id: string): Promise<string> => JSON.parse(await this.ok("state", id)).status;

  /** Runs a container to its end; gives what it printed. */
  readonly run = async (change: Change, ...args: string[]): Promise<string> => this.ok("run", "-b", this.bundle(change, args), `run-${this.next()}`);

  /** A configuration that must be refused with these words, and leave nothing. */
  readonly refused = async (change: Change, words: string): Promise<void> => {
    expect(await this.fails("create", "-b", this.bundle(change), "refused")).toContain(words);
    expect(existsSync(join(this.folder, "state/refused"))).toBe(false);
    for (const controller of ["memory", "pids", "."]) expect(existsSync(join("/sys/fs/cgroup", controller, "refused"))).toBe(false);
  };
}
