/** Rows of containers' lives. */
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec } from "../../../src/runtime/container/describe.ts";
import { makeBusyboxRoot, makeBusyboxTar } from "../../fixtures/busybox.ts";
import { podmanPeer, runner } from "../../fixtures/peers.ts";
import { BERTH, type Row, shellCommand } from "../row.ts";

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
    commands: { berth: life(link), runc: life("runc"), crun: life("crun --cgroup-manager=disabled") },
  };
}

export function runRow(folder: string): Row {
  const root = join(folder, "engine");
  const tar = join(folder, "bb.tar");
  makeBusyboxTar(tar);
  const berth = shellCommand({ command: [BERTH], env: { BERTH_ROOT: root } });
  const podman = podmanPeer(folder);
  for (const { code, err } of [runner([BERTH], { BERTH_ROOT: root })("import", tar, "bb"), runner(podman.command, podman.env)("import", tar, "bb")])
    if (code !== 0) throw new Error(err);
  return {
    name: "run",
    title: "run --rm, no network, true",
    commands: { berth: `${berth} run --rm --network none bb true`, podman: `${shellCommand(podman)} run --rm --network none bb true` },
  };
}
