/**
 * Parsers that read strangers' bytes, given damaged ones: an answer or an error that says
 * so, and soon. `BERTH_FUZZ=1000000` for a long run; a failure tells its seed for
 * `BERTH_FUZZ_SEED`.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAttributes } from "../../ffi/netlink/socket.ts";
import { EngineError } from "../../src/engine/errors.ts";
import { readProfile, resolveProfile } from "../../src/engine/seccomp/profile.ts";
import { ManifestError, parseManifest } from "../../src/image/media-types.ts";
import { InvalidReference, parseReference } from "../../src/image/reference.ts";
import { TarError } from "../../src/image/tar-header.ts";
import { TarReader } from "../../src/image/tar-reader.ts";
import { TarWriter } from "../../src/image/tar-writer.ts";
import { buildAnswer, parseQuery, RCODE, reversedAddress } from "../../src/network/dns-message.ts";
import { loadConfig } from "../../src/runtime/container/load-config.ts";
import { RuntimeFailure } from "../../src/runtime/errors.ts";
import { resolveUser } from "../../src/runtime/process/user.ts";
import { compileSeccomp } from "../../src/runtime/seccomp/compile.ts";

const ROUNDS = Number(process.env.BERTH_FUZZ ?? 3000);
const SEED = Number(process.env.BERTH_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Milliseconds that one input may take. */
const SOON = 2000;

/** mulberry32: the same inputs for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x20, 0x2f, 0x30, 0x37, 0x2e, 0x22, 0x7b, 0x5b, 0x2d, 0x0a];

/** A few bytes changed, moved, doubled or cut off. */
function damage(bytes: Buffer, next: () => number): Buffer {
  let out = Buffer.from(bytes);
  const at = () => Math.floor(next() * (out.length + 1));
  for (let n = 1 + Math.floor(next() * 6); n > 0; n--) {
    const [from, size] = [at(), Math.floor(next() * 40)];
    switch (Math.floor(next() * 5)) {
      case 0:
        out = out.subarray(0, from);
        break;
      case 1:
        out = Buffer.concat([out.subarray(0, from), out.subarray(from + size)]);
        break;
      case 2:
        out = Buffer.concat([out.subarray(0, from), out.subarray(at(), at()), out.subarray(from)]).subarray(0, 1 << 20);
        break;
      default:
        for (let i = from; i < Math.min(out.length, from + 1 + size / 10); i++)
          out[i] = next() < 0.5 ? (INTERESTING[Math.floor(next() * INTERESTING.length)] as number) : Math.floor(next() * 256);
    }
  }
  return out;
}

/** Something else in the place of some values. */
function damageJson(value: unknown, next: () => number): unknown {
  const others = [null, 0, -1, 1e308, "", "x".repeat(3000), [], {}, true, [null], { a: { b: [] } }];
  if (next() < 0.03) return others[Math.floor(next() * others.length)];
  if (Array.isArray(value)) return value.map((item) => damageJson(item, next));
  if (value !== null && typeof value === "object")
    return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (next() < 0.01 ? [] : [[key, damageJson(item, next)]])));
  return value;
}

type Kind = abstract new (...args: never[]) => Error;

/** Feeds `parse` with what `make` gives; what it throws must be of these kinds. */
function fuzz(make: (next: () => number) => unknown, parse: (input: never) => void, expected: Kind[], rounds = ROUNDS): void {
  for (let round = 0; round < rounds; round++) {
    const seed = SEED + round;
    const input = make(random(seed)) as never;
    const start = performance.now();
    try {
      parse(input);
    } catch (error) {
      if (!expected.some((kind) => error instanceof kind)) throw new Error(`BERTH_FUZZ_SEED=${seed} BERTH_FUZZ=1: ${error}`, { cause: error });
    }
    const took = performance.now() - start;
    if (took > SOON) throw new Error(`BERTH_FUZZ_SEED=${seed} BERTH_FUZZ=1: took ${took.toFixed(0)} ms`);
  }
}

const TIMEOUT = 60_000 + ROUNDS * 2;
const before = process.memoryUsage.rss();
afterAll(() => expect(process.memoryUsage.rss() - before).toBeLessThan(1 << 30));

test(
  "tar: headers of every kind",
  () => {
    const parts: Buffer[] = [];
    const writer = new TarWriter((bytes) => parts.push(Buffer.from(bytes)));
    const plain = { mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0n, linkPath: "", deviceMajor: 0, deviceMinor: 0, xattrs: new Map() };
    writer.entry({ ...plain, path: "a/", type: "directory" });
    writer.entry({ ...plain, path: `${"long/".repeat(60)}name`, type: "file", size: 700, xattrs: new Map([["user.x", Buffer.from("y")]]) });
    writer.data(Buffer.alloc(700, 7));
    writer.entry({ ...plain, path: "l", type: "symlink", linkPath: "b".repeat(200) });
    writer.entry({ ...plain, path: "d", type: "character", deviceMajor: 1, deviceMinor: 3, uid: 3_000_000_000, mtime: 1_700_000_000_123_456_789n });
    writer.close();
    const archive = Buffer.concat(parts);
    const sum = (block: Buffer) =>
      block.fill(" ", 148, 156).write(
        `${block
          .reduce((a, b) => a + b)
          .toString(8)
          .padStart(6, "0")}\0 `,
        148,
      );
    const make = (next: () => number) => {
      const bytes = damage(archive, next);
      // Else nearly all would end at the checksum.
      if (next() < 0.8)
        for (let at = 0; at + 512 <= bytes.length; at += 512)
          if (bytes.toString("latin1", at + 257, at + 262) === "ustar") sum(bytes.subarray(at, at + 512));
      return bytes;
    };
    const read = (bytes: Buffer) => {
      let size = 0;
      const reader = new TarReader({
        entry() {},
        data(chunk) {
          size += chunk.length;
        },
        hole() {},
        end() {},
      });
      for (let at = 0; at < bytes.length; at += 300) reader.write(bytes.subarray(at, at + 300));
      expect(size).toBeLessThanOrEqual(bytes.length);
    };
    fuzz(make, read as (input: never) => void, [TarError]);
  },
  TIMEOUT,
);

test(
  "manifests and indexes",
  () => {
    const digest = `sha256:${"0".repeat(64)}`;
    const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 7 };
    const sources = [
      { schemaVersion: 2, config: descriptor, layers: [{ ...descriptor, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }] },
      {
        schemaVersion: 2,
        manifests: [{ ...descriptor, mediaType: "application/vnd.oci.image.manifest.v1+json", platform: { os: "linux", architecture: "amd64" } }],
      },
    ];
    const make = (next: () => number) => {
      const source = sources[Math.floor(next() * 2)];
      return next() < 0.5 ? damage(Buffer.from(JSON.stringify(source)), next) : Buffer.from(JSON.stringify(damageJson(source, next)) ?? "");
    };
    fuzz(make, parseManifest as (input: never) => void, [ManifestError]);
  },
  TIMEOUT,
);

test(
  "references",
  () => {
    const texts = [
      "docker.io/library/busybox:latest",
      `localhost:5000/a/b@sha256:${"a".repeat(64)}`,
      "[::1]:5000/x:y",
      "ghcr.io/org/name:1.2.3-rc_4",
    ];
    const make = (next: () => number) => damage(Buffer.from(texts[Math.floor(next() * texts.length)] as string), next).toString("latin1");
    fuzz(make, parseReference as (input: never) => void, [InvalidReference], ROUNDS * 5);
  },
  TIMEOUT,
);

test(
  "DNS packets, and names of addresses",
  () => {
    const query = Buffer.from("12340100000100000000000003777777076578616d706c6503636f6d0000010001", "hex");
    const read = (bytes: Buffer) => {
      const question = parseQuery(bytes);
      if (!question) return;
      reversedAddress(question.name);
      expect(buildAnswer(bytes, question, RCODE.ok, []).length).toBeLessThanOrEqual(bytes.length);
    };
    fuzz((next) => damage(query, next), read as (input: never) => void, [], ROUNDS * 5);
  },
  TIMEOUT,
);

test(
  "netlink attributes",
  () => {
    const attributes = Buffer.from("08000100010000000c000380080002006c6f0000050004000100000000000000", "hex");
    const types = Array.from({ length: 64 }, (_, type) => type);
    const inside = (bytes: Buffer) => types.flatMap((type) => parseAttributes(bytes).get(type) ?? []);
    const read = (bytes: Buffer) => void inside(bytes).map(inside);
    fuzz((next) => damage(attributes, next), read as (input: never) => void, [], ROUNDS * 5);
  },
  TIMEOUT,
);

test(
  "passwd and group files",
  () => {
    const passwd = Buffer.from("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:User:/home/user:/bin/sh\n");
    const group = Buffer.from("root:x:0:\nuser:x:1000:\nextra:x:50:user\n");
    const make = (next: () => number) => [damage(passwd, next), damage(group, next)].map((bytes) => bytes.toString("latin1"));
    fuzz(make, (([first, second]: [string, string]) => resolveUser({ user: "user", groups: ["extra"] }, first, second)) as never, [Error]);
  },
  TIMEOUT,
);

describe("files of JSON", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "berth-fuzz-"));
    mkdirSync(join(folder, "rootfs"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test(
    "seccomp profiles",
    () => {
      const source = JSON.parse(readFileSync(join(import.meta.dir, "../../src/engine/seccomp/default-profile.json"), "utf8"));
      source.syscalls = source.syscalls.slice(-25);
      const file = join(folder, "profile.json");
      const read = (profile: unknown) => {
        writeFileSync(file, JSON.stringify(profile) ?? "");
        compileSeccomp(resolveProfile(readProfile(file), ["CAP_SYS_ADMIN"]), "x86_64");
      };
      fuzz((next) => damageJson(source, next), read as (input: never) => void, [EngineError, RuntimeFailure], ROUNDS / 3);
    },
    TIMEOUT,
  );

  test(
    "config.json",
    () => {
      const source = {
        ociVersion: "1.2.0",
        process: {
          args: ["sh"],
          cwd: "/",
          user: { uid: 0, gid: 0 },
          env: ["A=b"],
          capabilities: { bounding: ["CAP_KILL"] },
          rlimits: [{ type: "RLIMIT_NOFILE", soft: 1, hard: 1 }],
        },
        root: { path: "rootfs" },
        mounts: [{ destination: "/proc", type: "proc", source: "proc", options: ["nosuid"] }],
        hooks: { prestart: [{ path: "/bin/true", timeout: 1 }] },
        linux: {
          namespaces: [{ type: "mount" }, { type: "pid" }, { type: "user" }],
          uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
          gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
          resources: { memory: { limit: 1 }, devices: [{ allow: false, access: "rwm" }], pids: { limit: 5 } },
        },
      };
      const read = (bytes: Buffer) => {
        writeFileSync(join(folder, "config.json"), bytes);
        loadConfig(folder);
      };
      const make = (next: () => number) =>
        next() < 0.3 ? damage(Buffer.from(JSON.stringify(source)), next) : Buffer.from(JSON.stringify(damageJson(source, next)) ?? "");
      fuzz(make, read as (input: never) => void, [Error], ROUNDS / 3);
    },
    TIMEOUT,
  );
});
