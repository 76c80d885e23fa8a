/** An engine of a test's own: the compiled binary with a root folder that goes with the test. */
import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $, type ProcessPromise } from "zx";
import { makeBusyboxTar } from "../fixtures/busybox.ts";

export const BERTH = join(import.meta.dir, "../../dist/berth");
if (!existsSync(BERTH)) throw new Error("dist/berth is missing: run `npm run build` first");

$.verbose = false;

const BUSYBOX_TAR = join(import.meta.dir, "../../dist/busybox-test.tar");

/** The tar of a busybox root; made once, beside the binary. */
export function busybox(): string {
  if (!existsSync(BUSYBOX_TAR)) {
    const beside = `${BUSYBOX_TAR}.${process.pid}`;
    makeBusyboxTar(beside);
    renameSync(beside, BUSYBOX_TAR);
  }
  return BUSYBOX_TAR;
}

export interface Result {
  stdout: string;
  stderr: string;
  exitCode: number;
}

export class TestEngine implements AsyncDisposable {
  readonly root: string;
  readonly env: Record<string, string>;

  /** Its store, as processes of berth open it: who meets another one at work waits. */
  openStore(): Database {
    const db = new Database(join(this.root, "berth.db"));
    db.run("PRAGMA busy_timeout = 30000");
    return db;
  }

  private constructor(root: string) {
    this.root = root;
    this.env = { PATH: process.env.PATH ?? "", HOME: "/root", BERTH_ROOT: root };
  }

  /** A new engine with the image `bb`. */
  static async make(): Promise<TestEngine> {
    const engine = TestEngine.empty();
    await engine.ok("import", busybox(), "bb");
    return engine;
  }

  static empty(root = mkdtempSync(join(tmpdir(), "berth-test-"))): TestEngine {
    return new TestEngine(root);
  }

  /** Starts a command; its result comes without throwing. */
  start(...args: string[]): ProcessPromise {
    return $({ env: this.env, nothrow: true, quiet: true, stdio: ["ignore", "pipe", "pipe"], timeout: "50s" })`${BERTH} ${args}`;
  }

  async run(...args: string[]): Promise<Result> {
    const { stdout, stderr, exitCode } = await this.start(...args);
    return { stdout, stderr, exitCode: exitCode ?? -1 };
  }

  /** Runs a command that must succeed; gives its output without the last newline. */
  async ok(...args: string[]): Promise<string> {
    const result = await this.run(...args);
    if (result.exitCode !== 0) throw new Error(`berth ${args.join(" ")}: exit ${result.exitCode}\n${result.stderr}${result.stdout}`);
    return result.stdout.replace(/\n$/, "");
  }

  /** Runs a command that must fail with one line on standard error. */
  async fails(exitCode: number, ...args: string[]): Promise<string> {
    const result = await this.run(...args);
    expect({ args, ...result }).toMatchObject({ args, exitCode });
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
    return result.stderr.trimEnd();
  }

  /** With bytes on standard input. */
  async withInput(input: string | Buffer, ...args: string[]): Promise<Result> {
    const { stdout, stderr, exitCode } = await $({ env: this.env, nothrow: true, quiet: true, input, timeout: "50s" })`${BERTH} ${args}`;
    return { stdout, stderr, exitCode: exitCode ?? -1 };
  }

  /** Makes the file that a container's command waits for to end. The command that makes it may be killed by that end. */
  async endsOnceThereIs(path: string, name: string, exitCode = 0): Promise<void> {
    await this.run("exec", name, "touch", path);
    expect(await this.ok("wait", name)).toBe(String(exitCode));
  }

  inspect(name: string, format: string): Promise<string> {
    return this.ok("inspect", "-f", format, name);
  }

  /** Everything that is left of containers: records, folders, mounts, processes. */
  async leftovers(): Promise<string[]> {
    const inside = (name: string) => (existsSync(join(this.root, name)) ? readdirSync(join(this.root, name)) : []);
    // A monitor removes files after it has told of the end, and ends then, or when whoever launched it wants nothing of it.
    await until("monitors ended", () => inside("removed").length + this.processes().length === 0).catch(() => {});
    const records = (await this.ok("ps", "-aq", "--no-trunc")).split("\n").filter(Boolean);
    const folders = [...inside("containers"), ...inside("removed")];
    const mounts = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(this.root));
    return [...records, ...folders, ...mounts, ...this.processes().map(String)];
  }

  /** Monitors and inits that have a file of this engine open. */
  processes(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => this.#owns(pid));
  }

  #owns(pid: number): boolean {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("berth-")) return false;
      return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(this.root));
    } catch {
      return false; // gone meanwhile
    }
  }

  /** The process that is its init's parent. */
  async monitorOf(container: string): Promise<number> {
    const status = readFileSync(`/proc/${await this.inspect(container, "{{.State.Pid}}")}/stat`, "utf8");
    return Number(status.split(") ")[1]?.split(" ")[1]);
  }

  /** All of them; each must go. */
  async removeContainers(): Promise<void> {
    const ids = (await this.ok("ps", "-aq")).split("\n").filter(Boolean);
    if (ids.length > 0) await this.ok("rm", "-f", "-v", ...ids);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.removeContainers().catch(() => {});
    if (existsSync(join(this.root, "berth.db"))) await this.run("network", "prune", "-f");
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Folders of containers' cgroups, of whatever engine. */
export function cgroupFolders(): string[] {
  const hierarchies = ["memory", "pids", "freezer", "devices", "cpuacct", "cpu", "cpuset", "."];
  return hierarchies.flatMap((controller) => {
    const folder = join("/sys/fs/cgroup", controller, "berth");
    return existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)) : [];
  });
}

/** Waits, bounded, until something is true. */
export async function until(what: string, condition: () => Promise<boolean> | boolean, seconds = 10): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    if (await condition()) return;
    await Bun.sleep(25);
  }
  throw new Error(`${what}: not within ${seconds} seconds`);
}
