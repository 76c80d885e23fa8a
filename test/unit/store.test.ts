import type { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ContainerConfig } from "../../src/store/container-config.ts";
import * as containers from "../../src/store/containers.ts";
import { openDatabase, writeTransaction } from "../../src/store/database.ts";
import { deleteImage, hasBlob, insertImage, insertLayer, insertLayerBlob, listImages, nameImage } from "../../src/store/images.ts";
import { assignAddress, type Endpoint, endpointsOf, insertEndpoint, insertNetwork, isAddressTaken, nextUntaken } from "../../src/store/networks.ts";
import { MIGRATIONS } from "../../src/store/schema.ts";

let folder: string;
let db: Database;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-unit-"));
  db = openDatabase(join(folder, "berth.db"));
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

const config = { image: "bb", mounts: [] } as unknown as ContainerConfig;
const add = (id: string, name: string, autoRemove = false) =>
  containers.insertContainer(db, { id, name, imageId: undefined, config, autoRemove, podId: undefined });

describe("the database", () => {
  test("is made once, and refused when it is newer than this program", () => {
    expect(db.query("PRAGMA user_version").get()).toEqual({ user_version: MIGRATIONS.length });
    expect(db.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    openDatabase(join(folder, "berth.db")).close();
    db.run("PRAGMA user_version = 999");
    expect(() => openDatabase(join(folder, "berth.db"))).toThrow("use a newer berth");
    expect(() => openDatabase("/proc/nope/berth.db")).toThrow("cannot open the store");
  });

  test("a transaction that throws changes nothing", () => {
    expect(() =>
      writeTransaction(db, () => {
        add("1".repeat(64), "a");
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(containers.listContainers(db)).toEqual([]);
  });
});

describe("containers", () => {
  test("are found by name, id and a unique beginning of it", () => {
    add(`ab${"0".repeat(62)}`, "one");
    add(`ac${"0".repeat(62)}`, "two");
    const find = (text: string) => containers.findContainers(db, text).map((c) => c.name);
    expect(find("one")).toEqual(["one"]);
    expect(find("ab")).toEqual(["one"]);
    expect(find("a").sort()).toEqual(["one", "two"]);
    expect(find("zz")).toEqual([]);
    expect(() => add("f".repeat(64), "one")).toThrow("UNIQUE");
  });

  test("are started by one at a time", () => {
    const id = "1".repeat(64);
    add(id, "a");
    expect(containers.claimForStart(db, id, false)).toBe(true);
    expect(containers.claimForStart(db, id, false)).toBe(false);
    containers.recordRunning(db, id, 42, 7);
    expect(containers.getContainer(db, id)).toMatchObject({ status: "running", process: { pid: 42, startTime: 7 } });
    containers.recordExit(db, { id, config }, { exitCode: 3, oomKilled: true, error: "" });
    expect(containers.getContainer(db, id)).toMatchObject({ status: "exited", exitCode: 3, oomKilled: true, process: undefined, owner: undefined });
    expect(containers.claimForStart(db, id, false)).toBe(true);
  });

  test("a failed start leaves what was before", () => {
    const id = "1".repeat(64);
    add(id, "a");
    containers.claimForStart(db, id, false);
    containers.recordRunning(db, id, 42, 7);
    containers.recordStartFailure(db, id, 127, "why", undefined);
    expect(containers.getContainer(db, id)).toMatchObject({ status: "created", exitCode: 127, error: "why", startedAt: undefined });
  });

  test("are removed by one at a time; their exit is remembered", () => {
    const id = "1".repeat(64);
    add(id, "a");
    containers.claimForStart(db, id, false);
    containers.recordExit(db, { id, config }, { exitCode: 9, oomKilled: false, error: "" });
    const record = containers.getContainer(db, id);
    if (!record) throw new Error("no record");
    expect(containers.claimForRemoval(db, record, false)).toBe(true);
    expect(containers.claimForRemoval(db, record, false)).toBe(false); // changed since it was read
    containers.deleteContainer(db, id);
    expect(containers.getContainer(db, id)).toBeUndefined();
    expect(containers.findExit(db, id)).toBe(9);
  });

  test("leave behind how the last thousand ended", () => {
    const ids = Array.from({ length: 1100 }, (_, i) => String(i).padStart(64, "0"));
    writeTransaction(db, () => {
      for (const id of ids) {
        add(id, `n${id}`);
        containers.recordExit(db, { id, config }, { exitCode: 1, oomKilled: false, error: "" });
        containers.deleteContainer(db, id);
      }
    });
    expect(ids.map((id) => containers.findExit(db, id))).toEqual(ids.map((_, i) => (i < 100 ? undefined : 1)));
  });
});

test("images share layers; a layer goes with its last image", () => {
  const text = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
  for (const diffId of ["sha256:a", "sha256:b", "sha256:c"]) {
    insertLayer(db, { diffId, size: 10 });
    insertLayerBlob(db, diffId, { digest: `${diffId}0`, size: 5, mediaType: "x" });
  }
  insertImage(db, { id: "sha256:1", config: text, layers: ["sha256:a", "sha256:b"], name: "x:1" });
  insertImage(db, { id: "sha256:2", config: text, layers: ["sha256:a", "sha256:c"], name: "x:2" });
  expect(listImages(db).map((i) => [i.id, i.layers, i.size])).toEqual([
    ["sha256:2", ["sha256:a", "sha256:c"], 20],
    ["sha256:1", ["sha256:a", "sha256:b"], 20],
  ]);
  nameImage(db, "x:2", "sha256:1");
  expect(listImages(db).map((i) => i.names)).toEqual([[], ["x:1", "x:2"]]);
  expect(deleteImage(db, "sha256:1")).toEqual(["sha256:b"]);
  expect(["a0", "b0", "c0"].map((name) => hasBlob(db, `sha256:${name}`))).toEqual([true, false, true]);
  expect(deleteImage(db, "sha256:2").sort()).toEqual(["sha256:a", "sha256:c"]);
});

test("addresses of a network: the lowest that nobody has", () => {
  insertNetwork(db, { id: "n", name: "n", config: { driver: "bridge" } as Endpoint["network"]["config"] });
  const number = (last: number) => 0xac110000 + last; // 172.17.0.0
  const give = (id: string, address: string, value: number, address6?: string) => {
    add(id, id);
    insertEndpoint(db, id, "n", { aliases: [] });
    const [endpoint] = endpointsOf(db, id);
    assignAddress(db, { ...(endpoint as Endpoint), address, address6 }, value);
  };
  expect(nextUntaken(db, "n", number(2))).toBe(number(2));
  for (const last of [2, 3, 5, 255]) give(`c${last}`, `172.17.0.${last}`, number(last));
  give("next", "172.17.1.0", number(256), "fd00::7");
  expect(nextUntaken(db, "n", number(1))).toBe(number(1));
  expect(nextUntaken(db, "n", number(2))).toBe(number(4));
  expect(nextUntaken(db, "n", number(5))).toBe(number(6));
  expect(nextUntaken(db, "n", number(255))).toBe(number(257));
  expect(nextUntaken(db, "other", number(2))).toBe(number(2));
  expect(isAddressTaken(db, "other", "n", "172.17.0.3")).toBe(true);
  expect(isAddressTaken(db, "other", "n", "fd00::7")).toBe(true);
  expect(isAddressTaken(db, "c3", "n", "172.17.0.3")).toBe(false);
  expect(isAddressTaken(db, "other", "n", "172.17.0.4")).toBe(false);
});
