/** Rows of the OCI runtime. */
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec } from "../../../src/runtime/container/describe.ts";
import { makeBusyboxRoot } from "../../fixtures/busybox.ts";
import { BERTH, type Row } from "../row.ts";

// A ready bundle, on which every runtime is given the same to do.
export function ociRow(folder: string): Row {
  const bundle = join(folder, "bundle");
  makeBusyboxRoot(join(bundle, "rootfs"));
  const spec = defaultSpec();
  spec.process.terminal = false;
  spec.process.args = ["true"];
  spec.root.readonly = false;
  delete spec.linux.resources;
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "cgroup");
  spec.mounts = spec.mounts.filter(({ type }) => type !== "cgroup");
  spec.ociVersion = "1.0.2";
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  const link = join(folder, "berth-runtime");
  symlinkSync(BERTH, link);
  const life = (runtime: string) => {
    const command = `${runtime} --root ${folder}/state`;
    return `${command} create -b ${bundle} bench </dev/null >/dev/null 2>&1 && ${command} start bench && ${command} delete -f bench`;
  };
  return {
    name: "oci",
    title: "create, start and delete of a ready bundle",
    commands: { berth: life(link), runc: life("runc"), crun: life("crun") },
  };
}
