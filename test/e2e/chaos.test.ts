/**
 * Everything at once: commands of all kinds on the same few containers while processes are
 * killed and the disk fills up. Afterwards the store is sound and nothing is left.
 * BERTH_STRESS=300 goes on for five minutes; BERTH_SEED=N repeats a choice of commands.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BERTH, busybox, cgroupFolders, TestEngine, until } from "./engine.ts";

const SECONDS = Number(process.env.BERTH_STRESS ?? 12);
const SEED = Number(process.env.BERTH_SEED ?? Math.floor(Math.random() * 2 ** 31));
const WORKERS = 4;
const NAMES = ["a", "b", "c", "d", "e", "f"];
const LONGEST = 30_000; // milliseconds that a command may take on a busy machine

// Mulberry32.
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Containers of which the store says something else than /proc. */
async function untruths(engine: TestEngine, ids: string[]): Promise<string[]> {
  // Nothing of what is gone meanwhile.
  const state = "{{.State.Status}} {{.State.Pid}} {{.State.Restarting}}";
  const said = await Promise.all(ids.map(async (id) => (await engine.run("inspect", "-f", state, id)).stdout.trim()));
  const found = new Map<string, number[]>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    try {
      const id = /\/berth\/([0-9a-f]{64})/.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
      found.set(id, [...(found.get(id) ?? []), Number(pid)]);
    } catch {} // it has ended
  return ids.flatMap((id, i) => {
    const [status = "", pid, isRestarting] = said[i]?.split(" ") ?? [];
    if (isRestarting === "true") return []; // it comes and goes
    const own = found.get(id) ?? [];
    const isUp = status === "running" || status === "paused";
    return isUp === own.length > 0 && (!isUp || own.includes(Number(pid))) ? [] : [`${id}: ${said[i]}, but in its cgroup: ${own.join(" ")}`];
  });
}

test(
  `${SECONDS} seconds of chaos, seed ${SEED}`,
  async () => {
    const root = mkdtempSync(join(tmpdir(), "berth-chaos-"));
    const disk = join(root, "disk");
    const host = join(root, "host");
    mkdirSync(disk);
    mkdirSync(join(host, "tree"), { recursive: true });
    for (let i = 0; i < 20; i++) writeFileSync(join(host, "tree", String(i)), "x".repeat(i * 1000));
    expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64m", "berth-chaos", disk]).exitCode).toBe(0);
    const cgroupsBefore = new Set(cgroupFolders());
    try {
      const engine = TestEngine.empty(disk);
      await engine.ok("import", busybox(), "bb");
      const complaints: string[] = [];
      const counts: Record<string, number> = {};
      const running = new Set<Bun.Subprocess>();
      const deadline = Date.now() + SECONDS * 1000;

      const command = async (...args: string[]) => {
        const child = Bun.spawn([BERTH, ...args], { env: engine.env, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
        running.add(child);
        const timer = setTimeout(() => {
          complaints.push(`${args.join(" ")}: took more than ${LONGEST} ms`);
          child.kill("SIGKILL");
        }, LONGEST);
        const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
        clearTimeout(timer);
        running.delete(child);
        const verb = `${args[0]} ${code}`;
        counts[verb] = (counts[verb] ?? 0) + 1;
        // Whatever goes wrong is said in words, a line each.
        if (/^\s+at |SQLite|\bundefined\b|TypeError|panic/m.test(stderr)) complaints.push(`${args.join(" ")}: ${stderr}`);
        if (![0, 1, 125, 126, 127, 130, 137, 143, 255].includes(code)) complaints.push(`${args.join(" ")}: exit ${code} ${stderr}`);
      };

      const work = async (number: number) => {
        const next = random(SEED + number);
        const pick = <T>(list: T[]) => list[Math.floor(next() * list.length)] as T;
        while (Date.now() < deadline) {
          const name = pick(NAMES);
          const options = pick([[], ["--rm"], ["--restart", "always"], ["--network", "none"], ["-v", "data:/data"], ["-v", "/anonymous"]]);
          const inside = pick([
            ["sleep", "100"],
            ["sh", "-c", "while :; do echo line; sleep 0.1; done"],
            ["sh", "-c", "head -c 100000 /dev/urandom > /file; exit 3"],
          ]);
          await command(
            ...pick([
              ["run", "-d", "--name", name, ...options, "bb", ...inside],
              ["run", "-d", "--name", name, ...options, "bb", ...inside],
              ["run", "--name", name, ...options, "bb", "true"],
              ["create", "--name", name, ...options, "bb", ...inside],
              ["start", name],
              ["start", name],
              ["restart", "-t", "0", name],
              ["stop", "-t", "0", name],
              ["kill", name],
              ["pause", name],
              ["unpause", name],
              ["exec", name, "sh", "-c", "echo x > /x"],
              ["exec", "-d", name, "sleep", "2"],
              ["cp", join(host, "tree"), `${name}:/home`],
              ["cp", `${name}:/etc`, join(host, `out-${number}`)],
              ["rename", name, pick(NAMES)],
              ["commit", name, `image-${name}`],
              ["run", "--rm", `image-${name}`, "ls", "/home"],
              ["rmi", "-f", `image-${name}`],
              ["logs", name],
              ["ps", "-a"],
              ["inspect", name],
              ["diff", name],
              ["rm", "-f", name],
              ["rm", "-f", "-v", name],
              ["container", "prune", "-f"],
              ["image", "prune", "-f"],
            ]),
          );
        }
      };
      const kill = async () => {
        const next = random(SEED - 1);
        while (Date.now() < deadline) {
          await Bun.sleep(next() * 300);
          const commands = [...running];
          const monitors = engine.processes();
          if (next() < 0.6) commands[Math.floor(next() * commands.length)]?.kill("SIGKILL");
          else if (monitors.length > 0)
            try {
              process.kill(monitors[Math.floor(next() * monitors.length)] as number, "SIGKILL");
            } catch {} // it has ended
        }
      };
      const fill = async () => {
        const next = random(SEED - 2);
        while (Date.now() < deadline) {
          await Bun.sleep(1000 + next() * 2000);
          Bun.spawnSync(["sh", "-c", `cat /dev/zero > ${disk}/fill 2>/dev/null; true`]);
          await Bun.sleep(next() * 500);
          rmSync(join(disk, "fill"));
        }
      };
      await Promise.all([...Array.from({ length: WORKERS }, (_, i) => work(i)), kill(), fill()]);
      console.log(
        Object.entries(counts)
          .sort()
          .map(([verb, count]) => `${verb}: ${count}`)
          .join(", "),
      );
      expect(complaints).toEqual([]);

      // Every container that is said to run does, and what runs is said to; what was on its way arrives.
      await engine.ok("ps", "-a");
      const ids = (await engine.ok("ps", "-aq", "--no-trunc")).split("\n").filter(Boolean);
      let untrue: string[] = [];
      for (let i = 0; i < 20; i++) {
        untrue = await untruths(engine, ids);
        if (untrue.length === 0) break;
        await Bun.sleep(250);
      }
      expect(untrue).toEqual([]);

      const db = new Database(join(disk, "berth.db"), { readonly: true });
      expect(db.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      expect(db.query("PRAGMA foreign_key_check").all()).toEqual([]);
      db.close();

      await engine.removeContainers();
      await engine.ok("system", "prune", "-a", "-f", "--volumes");
      await engine.ok("volume", "prune", "-a", "-f");
      await until("nothing is left", async () => (await engine.leftovers()).filter((left) => !left.includes("berth-chaos ")).length === 0, 20);
      expect(await engine.ok("images", "-aq")).toBe("");
      expect(await engine.ok("volume", "ls", "-q")).toBe("");
      expect(cgroupFolders().filter((name) => ids.includes(name) && !cgroupsBefore.has(name))).toEqual([]);
      for (const folder of ["containers", "layers", "volumes", "run/rootfs"]) expect([folder, ...readdirSync(join(disk, folder))]).toEqual([folder]);
      await engine.run("network", "prune", "-f");
    } finally {
      const engine = TestEngine.empty(disk);
      await engine.removeContainers().catch(() => {});
      Bun.spawnSync(["umount", "-l", disk]);
      rmSync(root, { recursive: true, force: true });
    }
  },
  (SECONDS + 120) * 1000,
);
