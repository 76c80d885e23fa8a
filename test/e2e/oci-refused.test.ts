import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "../../src/runtime/spec.ts";
import { TestRuntime } from "./oci.ts";

const runtime = new TestRuntime();
const { oci, ok, fails, bundle, status, refused } = runtime;

describe("what is refused", () => {
  test("configurations that are none, with the reason", async () => {
    const path = bundle();
    writeFileSync(join(path, "config.json"), "{ not json");
    expect(await fails("create", "-b", path, "x")).toContain("is not JSON");
    rmSync(join(path, "config.json"));
    expect(await fails("create", "-b", path, "x")).toContain("no such file or directory");
    await refused((spec) => {
      spec.ociVersion = "2.0.0";
    }, 'ociVersion is "2.0.0", expected 1.x.y');
    await refused((spec) => {
      delete (spec as Partial<Spec>).root;
    }, "root.path is missing");
    await refused((spec) => {
      delete (spec as Partial<Spec>).process;
    }, "process is missing");
    await refused((spec) => {
      spec.process.args = [];
    }, "process.args is empty");
    await refused((spec) => {
      spec.process.cwd = "relative";
    }, "expected an absolute path");
    await refused((spec) => {
      spec.root.path = "/nowhere";
    }, "root.path /nowhere is not a directory");
    await refused((spec) => {
      spec.linux.namespaces.push({ type: "pid" });
    }, "pid stands there twice");
    await refused((spec) => {
      spec.linux.namespaces = [{ type: "mount" }, { type: "network", path: "/nowhere" }];
    }, "network namespace /nowhere does not exist");
    await refused((spec) => {
      spec.linux.namespaces = [{ type: "mount" }, { type: "network", path: "/etc/passwd" }];
    }, "join network namespace /etc/passwd");
    await refused((spec) => {
      spec.mounts.push({ destination: "/m", type: "nosuchfs", source: "x" });
    }, "cannot mount nosuchfs at /m");
  });

  test("fields it cannot honour, by name", async () => {
    await refused((spec) => {
      Object.assign(spec.process, { selinuxLabel: "x" });
    }, "process.selinuxLabel is not supported");
    if (!existsSync("/sys/module/apparmor")) {
      await refused((spec) => {
        spec.process.apparmorProfile = "docker-default";
      }, "this host has no AppArmor");
    }
    await refused((spec) => {
      Object.assign(spec.linux, { intelRdt: { closID: "x" } });
    }, "linux.intelRdt is not supported");
    await refused((spec) => {
      Object.assign(spec, { vm: { hypervisor: { path: "/x" } } });
    }, "vm is not supported");
  });

  test("a capability that nobody knows is left out with a warning", async () => {
    const path = bundle(
      (spec) => {
        spec.process.capabilities = { bounding: ["CAP_NOPE", "CAP_KILL"] };
      },
      ["grep", "CapBnd", "/proc/self/status"],
    );
    expect(await oci("run", "-b", path, "nope")).toEqual({
      stdout: "CapBnd:\t0000000000000020\n",
      stderr: "berth runtime: warning: unknown capability CAP_NOPE is left out\n",
      exitCode: 0,
    });
  });

  test("ids, doubles, and words it does not know", async () => {
    for (const id of ["a/b", "..", ".", ""]) expect(await fails("create", "-b", bundle(), id)).toContain("invalid container id");
    await ok("create", "-b", bundle(), "twice");
    expect(await fails("create", "-b", bundle(), "twice")).toContain("container with id twice exists already");
    expect(await status("twice")).toBe("created");
    await ok("delete", "-f", "twice");
    expect(await fails("start", "missing")).toContain("container does not exist");
    expect(await fails("kill", "missing", "NOPE")).toContain('unknown signal "NOPE"');
    expect(await fails("creat")).toContain("did you mean create?");
    if (!existsSync("/run/systemd/system")) expect(await fails("--systemd-cgroup", "list")).toContain("not run by systemd");
  });

  test("errors go to the log too, in its format", async () => {
    const log = join(runtime.folder, "log");
    await fails("--log", log, "--log-format", "json", "state", "missing");
    expect(JSON.parse(readFileSync(log, "utf8"))).toMatchObject({ level: "error", msg: "container does not exist" });
    await fails("--log", `${log}.text`, "state", "missing");
    expect(readFileSync(`${log}.text`, "utf8")).toMatch(/^time="\d{4}-.*" level=error msg="container does not exist"\n$/);
  });
});
